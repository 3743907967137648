"""A setting says all about itself where it is declared; every list of settings is computed from that."""

from dataclasses import dataclass, fields

import pytest

import run_pretrain
import settings
from command_line import UserError
from settings.declare import Role, about, check_bounds, renamed, setting
from settings.read import parse_settings
from tests.helpers.pretraining import NANO

BOUNDED = {name: about(item).bounds for name, item in settings.DECLARED.items() if about(item).bounds}


@dataclass
class Example:
    """Settings of a script."""

    steps: int = setting(3, "updates", at_least=1, cost=True)
    share: float = setting(0.5, "of something", above=0, at_most=1, formerly="part")
    points: list[float] | None = setting(None, "some", at_least=0, below=1)
    place: str | None = setting(None, "where", Role.PLACE)


def parsed(*argv):
    return parse_settings((Example,), list(argv), "an example")[0]


@pytest.mark.parametrize("kind", [*settings.FINETUNING, *settings.PATCHING])
def test_every_setting_is_declared_with_help_and_a_role(kind):
    assert all(about(item) and isinstance(about(item).role, Role) for item in fields(kind))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--steps", "0"), "steps is 0; it must be at least 1"),
        (("--share", "0"), "share is 0.0; it must be above 0 and at most 1"),
        (("--share", "nan"), "share is nan; it must be above 0 and at most 1"),
        (("--share", "1.1"), "share is 1.1; it must be above 0 and at most 1"),
        (("--points", "0.5", "1"), "points is 1.0; it must be at least 0 and below 1"),
    ],
)
def test_a_number_out_of_bounds_is_refused_in_one_line(argv, message):
    with pytest.raises(UserError, match=f"^{message}$"):
        parsed(*argv)
    with pytest.raises(UserError, match="steps is -1"):
        check_bounds(Example(steps=-1))  # made in Python
    assert parsed("--steps", "1", "--share", "1", "--points", "0").points == [0.0]  # at their bounds


@pytest.mark.parametrize("name", [n for n in BOUNDED if n in settings.names(*settings.PRETRAINING)])
def test_nothing_is_made_before_every_number_is_checked(name, tmp_path):
    bounds, run = BOUNDED[name], tmp_path / "run"
    wrong = [bounds["at least"] - 1] if "at least" in bounds else [bounds["above"]]
    for value in [*wrong, *(bounds[b] + d for b, d in (("at most", 1), ("below", 0)) if b in bounds)]:
        with pytest.raises(UserError, match=f"{name} is .*; it must be"):
            run_pretrain.main([NANO, "--output_dir", str(run), f"--{name}", str(value)])
    for name in ("stop_at", "save_at"):
        with pytest.raises(UserError, match=f"{name} is 21; it must be at most max_steps 20"):
            run_pretrain.main([NANO, "--output_dir", str(run), f"--{name}", "21"])
    assert not run.exists()


def test_an_older_name_still_works_everywhere_with_a_notice(tmp_path, capsys):
    recipe = tmp_path / "old.yaml"
    recipe.write_text("part: 0.25\n")
    both = tmp_path / "both.yaml"
    both.write_text("part: 0.25\nshare: 0.5\n")
    for argv in (("--part", "0.25"), ("--part=0.25",), (str(recipe),)):
        assert parsed(*argv).share == 0.25
        assert "part is called" in capsys.readouterr().err
    for argv in (("--part", "0.25", "--share", "0.5"), (str(both),)):
        with pytest.raises(UserError, match="part is called .*share now; give one of them, not both"):
            parsed(*argv)
    assert renamed({"part": 0.25, "other": 1}, fields(Example)) == {"share": 0.25, "other": 1}


def test_roles_tell_what_may_differ_and_what_is_published():
    assert {"output_dir", "model", "reference", "eval_steps", "save_at", "num_threads"} <= settings.MAY_DIFFER_ON_RESUME
    assert settings.MAY_DIFFER_ON_RESUME.isdisjoint({"seed", "learning_rate", "max_steps", "eval_individuals"})
    seeds = {"seed", "data_seed", "model_seed"}
    assert seeds <= settings.SAME_EXPERIMENT
    assert settings.MAY_DIFFER_ON_RESUME.isdisjoint(seeds)
    assert {"saves_per_decade", "save_total_limit", "hub_strategy"} <= settings.MAY_DIFFER_ON_RESUME
    config = dict.fromkeys(settings.DECLARED, 1) | {"environment": {}, "of_tomorrow": 2}
    public = settings.public(config)
    assert public.keys().isdisjoint({"environment", "output_dir", "model", "values_dir", "push_to_hub", "report_to"})
    assert {"of_tomorrow", "seed", "learning_rate", "eval_steps", "save_steps"} <= public.keys()
