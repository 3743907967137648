"""Figures of what was seen in checkpoints: all that was measured is drawn, whatever was measured, and can be read."""

import json

import numpy as np
import pytest

from analysis.drawing import plt
from analysis.figures import draw_run
from analysis.mechanism import _FIGURES, draw_report
from analysis.phases import Phases
from analysis.readings import readings
from evaluation.knockout import CUTS
from evaluation.prompts import POSITIONS
from evaluation.tracing import EFFECTS
from tests.helpers.figures import check_readable
from tests.helpers.runs import a_run, write

PHASES = Phases(120.0, 340.0)
ATTRIBUTES = ["birth_date", "birth_place", "company"]


def a_report(name, steps, n_layers=2, positions=POSITIONS, cuts=CUTS, seed=0):
    """Any numbers; what no sentence has is missing."""
    layers = [*range(n_layers + 1)]
    axes = {
        "probing": {"told": ["asked", "other"], "group": ["seen", "permuted", "unseen"], "position": [*positions],
                    "attribute": ATTRIBUTES, "layer": layers},
        "tracing": {"effect": [*EFFECTS], "site": [f"residual {layer}" for layer in layers] +
                    [f"{part} {layer}" for part in ("attention", "feed_forward") for layer in layers[1:]],
                    "position": [*positions]},
        "knockout": {"cut": [*cuts], "layer": [*layers[1:], "all"]},
        "gradients": {"position": [*positions], "layer": layers},
    }[name]  # fmt: skip
    generator, entries = np.random.default_rng(seed), {}
    for step in steps:
        numbers = generator.random([len(axis) for axis in axes.values()])
        numbers[..., 0] = np.nan
        lists = json.loads(json.dumps(numbers.tolist()).replace("NaN", "null"))
        said = generator.random((2, len(ATTRIBUTES))).tolist() if name == "probing" else 0.5
        entries[str(step)] = dict.fromkeys(("accuracy", "effects", "norms"), lists)
        entries[str(step)] |= {"said": said, "clean": -1.0, "other": -5.0}
    return {"settings": {}, "axes": axes, "steps": entries}


@pytest.mark.parametrize(("name", "phases"), [*((name, PHASES) for name in _FIGURES), ("gradients", Phases(1.0, None))])
def test_over_steps(name, phases):
    figure = _FIGURES[name][0](a_report(name, (0, 100, 400, 1000)), phases)
    check_readable(figure)
    plt.close(figure)


@pytest.mark.parametrize(("name", "n_layers"), [("probing", 8), ("tracing", 4), ("knockout", 1), ("gradients", 3)])
def test_one_step(name, n_layers):
    figure = _FIGURES[name][1](a_report(name, (1000,), n_layers), 1000)
    check_readable(figure)
    plt.close(figure)


def test_some_positions_and_one_cut():
    for name in ("tracing", "knockout"):
        report = a_report(name, (0, 100), positions=("name", "last_name"), cuts=("before_value:name",))
        for figure in (_FIGURES[name][0](report, None), _FIGURES[name][1](report, 100)):
            check_readable(figure)
            plt.close(figure)


def test_what_was_read_in_words():
    """Of the sentence's fact all is read at one place at the end, half since step 67; everything else is chance."""
    report = a_report("probing", (0, 50, 100))
    for step, share in (("0", 0.0), ("50", 0.25), ("100", 1.0)):
        accuracy = np.full(np.array(report["steps"][step]["accuracy"], dtype=float).shape, 0.02)
        accuracy[0, 0, POSITIONS.index("last_name"), :, 1] = share
        report["steps"][step] |= {"accuracy": accuracy.tolist(), "said": [[share / 2] * 3, [0] * 3]}
    lines = {line[:18].strip(): line[18:].split("  ") for line in readings(report).splitlines()}
    assert [cell.strip() for cell in lines["last name token"] if cell] == ["100%, half at step 67", "2%"]
    assert [cell.strip() for cell in lines["before the value"] if cell] == ["2%", "2%"]
    assert [cell.strip() for cell in lines["the model says"] if cell] == ["50%, half at step 67"]
    assert [cell.strip() for cell in lines["controls, highest"] if cell] == ["2%"]


def test_colors_of_a_map_are_the_numbers(tmp_path):
    report = a_report("tracing", (0, 100, 400))
    figure = _FIGURES["tracing"][0](report, PHASES)
    n = len(POSITIONS)
    maps = [axes.collections[0].get_array() for axes in figure.axes[3 : 3 * (n + 1)]]
    effects = np.array([report["steps"][step]["effects"] for step in ("0", "100", "400")], dtype=float)
    np.testing.assert_allclose(np.asarray(maps[3 * 2]), effects[:, 0, :3, 2].T)  # residual, third place
    np.testing.assert_allclose(np.asarray(maps[3 * 2 + 2]), effects[:, 0, 5:, 2].T)  # feed-forward
    plt.close(figure)


def test_a_run_draws_its_reports_again(tmp_path):
    folder = tmp_path / write(a_run("uniform", 0), tmp_path)
    names = ("knockout", "gradients")
    for name in names:
        (folder / f"{name}.json").write_text(json.dumps(a_report(name, (0, 100))))
    draw_run(folder)
    drawn = {path.name for path in (folder / "figures").glob("*.png")}
    assert drawn == {"learning_curve.png", *(f"{name}{end}.png" for name in names for end in ("", "_100"))}
    draw_report("knockout", tmp_path, a_report("knockout", (0,)))
    assert (tmp_path / "knockout_0.png").exists()
