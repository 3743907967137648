"""docs/DIFFERENCES.md tells the truth about recipes, settings and numbers."""

import re
from fractions import Fraction

import pytest

from modeling.presets import PRESETS
from settings import FINETUNING, PATCHING, PRETRAINING, names
from settings.data import DataSettings
from settings.read import parse_settings
from tests.helpers.pretraining import ROOT

PAGE = (ROOT / "docs" / "DIFFERENCES.md").read_text(encoding="utf-8")
FOLLOWED = ("small", "pocket", "schedules", "tiny", "fast", "paper")


def rows(first):
    """The table whose head begins with this cell: its rows, as lists of cells without their †."""
    lines = PAGE[PAGE.index(f"| {first} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip().rstrip("†") for cell in line.strip("|").split("|")] for line in lines if "---" not in line]


def rates(cell):
    """ "Muon 0.05, AdamW 5e-3" as {"muon": 0.05, "adamw": 0.005}."""
    return {name.lower(): float(rate) for name, rate in (part.split() for part in cell.split(", "))}


@pytest.mark.parametrize("recipe", FOLLOWED)
def test_the_table_of_recipes_says_what_they_set(recipe):
    parsed = parse_settings(PRETRAINING, [str(ROOT / "recipes" / f"{recipe}.yaml")], "")
    of = {key: value for settings in parsed for key, value in vars(settings).items()}
    sizes = PRESETS[of["preset"]][1]
    optimizers = {"adamw": of["learning_rate"]} | ({"muon": of["muon_learning_rate"]} if of["optim"] == "muon" else {})
    entries, batch = of["entries_per_list"] or "all", of["per_device_train_batch_size"]
    expected = [
        f"{of['n_individuals']:,}",
        f"{of['names_per_list'] or entries} ({entries})",
        f"{of['n_layer'] or sizes['n_layer']} layers × {of['n_embd'] or sizes['n_embd']}",
        optimizers,
        str(batch),
        f"{of['max_steps']:,}",
        f"{of['max_steps'] * batch / of['n_individuals']:.0f}",
    ]
    (cells,) = [cells[1:] for cells in rows("recipe") if cells[0].startswith(f"`{recipe}`")]
    assert [*cells[:3], rates(cells[3]), *cells[4:]] == expected


def test_every_setting_and_recipe_that_is_named_exists():
    known = {*names(*PRETRAINING), *names(*FINETUNING), *names(*PATCHING), *names(DataSettings)}
    named = re.findall(r"`(?:--)?([a-z]+(?:_[a-z]+)+)(?:: \S+)?`", PAGE) + re.findall(r"--(\w+)", PAGE)
    assert {"n_unseen", "weight_decay", "optim"} <= {*named}
    assert {*named} - known - {path.stem for path in (ROOT / "recipes").glob("*.yaml")} == set()


def test_the_old_share_of_a_batch_is_that_of_its_weight():
    shares, *weights = rows("old share of a batch")
    for (_, *cells), ratio in zip(weights, (16, 4), strict=True):
        for share, weight in zip(shares[1:], cells, strict=True):
            mass = Fraction(weight) * ratio if weight != "–" else None
            assert mass is None or f"{float(mass / (mass + 1)):.0%}" == share
    assert [cells[7] for cells in weights] == ["1/32", "1/8"]
