"""The comparison of ways to keep old knowledge: settings by the rule that was stated, and every claim measured."""

import pytest

from analysis.finetuning import kept, kept_at
from run_directory.records import Run
from sweeps.__main__ import load_plot
from sweeps.claims import load_claims
from sweeps.results import Result, load_results, results_file
from sweeps.sweep import ROOT, load_sweep
from tests.helpers.figures import check_readable

FORGETTING, TUNING = (ROOT / "experiments" / name for name in ("forgetting", "forgetting_tuning"))


@pytest.fixture(scope="module")
def plot():
    return load_plot(FORGETTING)


@pytest.fixture(scope="module")
def tuning():
    return load_plot(TUNING)


def result(variant, seed, points, settings=None, between=(), **reports):
    records = [
        {"step": step, "new_attribute_accuracy": new, "seen_attribute_accuracy": old, "seen_attribute_loss": 1.0}
        for step, (new, old) in enumerate(points)
    ]
    rows = [
        {"share": n / 10, "new_attribute_accuracy": a, "seen_attribute_accuracy": b} for n, (a, b) in enumerate(between)
    ]
    run = Run(ROOT, {"individuals_finetune": "new"}, records, interpolation=rows or None, **reports)
    return Result(f"{variant}-seed{seed}", variant, seed, settings or {}, run)


def trials():
    """By method and settings, what both seeds pass through."""
    plain = {"between": [(0.1, 0.9), (0.92, 0.5)]}
    return [
        result("plain-learning_rate=1", 100, [(0, 1), (0.95, 0.3), (0.99, 0.1)], {"learning_rate": 1}, **plain),
        result("plain-learning_rate=1", 101, [(0, 1), (0.95, 0.5)], {"learning_rate": 1}, **plain),
        result("plain-learning_rate=2", 100, [(0, 1), (0.91, 0.9)], {"learning_rate": 2}, between=[(0.95, 0.6)]),
        result("plain-learning_rate=2", 101, [(0, 1), (0.89, 0.9)], {"learning_rate": 2}, between=[(0.95, 0.6)]),
        result("lora_2-learning_rate=1", 100, [(0, 1), (0.5, 0.9)], {"learning_rate": 1}),
        result("lora_2-learning_rate=2", 100, [(0, 1), (0.6, 0.1)], {"learning_rate": 2}),
    ]


def test_the_rule_that_chooses(tuning):
    # Plain: (30 + 50) / 2 by the first rate, (90 + 0) / 2 by the second; LoRA knows 90% by neither, but more by one.
    assert tuning.score("plain", trials()[:2])[0] == pytest.approx(0.4)
    assert tuning.score("plain", trials()[2:4])[0] == pytest.approx(0.45)
    expected = {"plain": {"learning_rate": 2}, "between": {"learning_rate": 2}, "lora_2": {"learning_rate": 2}}
    assert tuning.chosen(trials()) == expected
    rows = tuning.table(trials()).splitlines()
    assert len(rows) == 2 + 2 * 3
    assert [row.split(" | ")[1] for row in rows if "chosen" in row] == ["learning_rate=2"] * 3


def test_every_method_has_as_many_trials_and_is_compared_with_settings_that_were_tried(tuning):
    tried: dict[str, list[dict]] = {}
    for run in load_sweep(TUNING).runs:
        if run.seed == 100:
            tried.setdefault(run.variant.split("-")[0], []).append(own(run))
    assert {method: len(of_method) for method, of_method in tried.items()} == dict.fromkeys(tried, 6)
    taken = {run.variant: own(run) for run in load_sweep(FORGETTING).runs if run.seed == 0 and "tuned_" in run.variant}
    without = [{k: v for k, v in of.items() if k != "interpolations"} for of in tried["plain"]]
    tried |= {"between": tried["plain"], "plain": without}
    assert {variant.removeprefix("tuned_") for variant in taken} == tried.keys()
    best = tuning.chosen(load_results(TUNING)) if results_file(TUNING).exists() else {}
    for variant, settings in taken.items():
        method = variant.removeprefix("tuned_")
        assert settings in tried[method], variant
        if method in best:
            assert all(best[method].get(key) == value for key, value in settings.items()), (
                f"{variant}: not what was chosen"
            )


def own(run):
    return {key: value for key, value in run.settings.items() if key != "model"}


def test_every_claim_about_tuned_methods_is_measured(plot):
    results = [
        result(f"tuned_{name}", seed, [(0, 1), (0.6, 0.9), (0.96, 0.5)], between=[(0.97, 0.4)],
               generated={"texts": 9, "share_true": 0.9}, own_attention={"seen_attribute_accuracy": 0.3})
        for name in plot.TUNED for seed in range(5)
    ]  # fmt: skip
    measured = plot.measured_tuned(results)
    stated = {claim.id for claim in load_claims(FORGETTING) if claim.id.startswith("tuned-")}
    assert measured.keys() == stated
    assert measured["tuned-50-lora_2"] == dict.fromkeys(range(5), 0)
    assert measured["tuned-90-between"] == pytest.approx(dict.fromkeys(range(5), -10))
    assert measured["tuned-own-attention"] == pytest.approx(dict.fromkeys(range(5), -20))
    assert measured["tuned-true"] == pytest.approx(dict.fromkeys(range(5), 90))
    assert plot.measured_tuned([]) == {}


def test_what_is_kept_is_the_most_where_so_much_is_known_and_a_seed_that_is_missing_leaves_no_dot():
    points = [(0, 1), (0.5, 0.6), (0.5, 0.7), (0.95, 0.2)]
    assert [kept(points, known) for known in (0.0, 0.5, 0.9, 0.96)] == [1, 0.7, 0.2, None]
    rows = {"a method": {0.5: [0.7, 0.8], 0.9: [0.2, None]}, "another": {0.5: [0.1, 0.2], 0.9: [0.1, 0.1]}}
    figure = kept_at(rows, ["another"])
    check_readable(figure)
    left, right = figure.axes
    assert [text.get_text() for text in left.get_yticklabels()] == ["a method", "another"]
    assert (len(left.containers), len(right.containers)) == (2, 1)
    assert [text.get_text() for text in right.texts] == ["1 of 2 not reached"]
    faces = [box.lines[0].get_markerfacecolor() for box in left.containers]
    assert faces[0] == "white" != faces[1]
