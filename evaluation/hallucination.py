"""What a model says of people it has never read of, and whether its confidence gives it away (paper, Sec. 4, Fig. M).

The answer about a value is looked at where it begins: at its first token, whose prediction nothing of the value helps.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from evaluation.detection import auprc, auroc, bootstrap, calibration_error, risk_coverage
from evaluation.neighbors import neighbor_answers
from evaluation.probes import probe_predictions, text_losses
from run_directory.layout import write_report

_CURVE_POINTS = 50
Flat = dict[str, np.ndarray]


def answers(flat: Flat) -> Flat:
    """The entries of `probe_predictions` at first tokens of values, by biography and attribute, each (b, attributes).

    `right` is whether *all* tokens of the value are predicted right, `correct` whether the first one is.
    """
    n_attributes = flat["attributes"].max()  # every biography tells all
    places = flat["rows"] * n_attributes + flat["attributes"] - 1
    _, first = np.unique(places, return_index=True)
    wrong = np.bincount(places, weights=~flat["correct"])
    chosen = {key: values[first] for key, values in flat.items()} | {"right": wrong == 0}
    return {key: values.reshape(-1, n_attributes) for key, values in chosen.items()}


def confidence(flat: Flat, group: str) -> dict[str, float]:
    """Means over the answers about a group: `<group>_top_probability`, `_entropy` (nats), `_calibration_error`."""
    at_first = answers(flat)
    top = at_first["top_probabilities"]
    return {
        f"{group}_top_probability": float(top.mean()),
        f"{group}_entropy": float(at_first["entropies"].mean()),
        f"{group}_calibration_error": calibration_error(top.ravel(), at_first["correct"].ravel()),
    }


def abstained(flat: Flat, unknown: int) -> float:
    """Share of the answers about a group that begin with the token by which a model tells that it does not know."""
    return float((answers(flat)["predicted"] == unknown).mean())


def separation(seen: Flat, unseen: Flat) -> dict[str, float]:
    """How well confidence tells seen from unseen people: `unseen_auroc_<score>` and `unseen_auprc_<score>`."""
    metrics = {}
    for name in ("top_probability", "entropy"):
        sides = [people_scores(answers(flat))[name] for flat in (seen, unseen)]
        metrics |= {f"unseen_auroc_{name}": float(auroc(*sides)), f"unseen_auprc_{name}": float(auprc(*sides))}
    return metrics


def people_scores(at_first: Flat) -> dict[str, np.ndarray]:
    """Simple scores of people, higher for those who seem known, from the answers about them; each (b,)."""
    top = at_first["top_probabilities"]
    return {
        "top_probability": top.mean(1),
        "entropy": -at_first["entropies"].mean(1),
        "log_top_probability": np.log(top).mean(1),
        "least_top_probability": top.min(1),
        "margin": (top - at_first["second_probabilities"]).mean(1),
        "logit_mass": at_first["logit_masses"].mean(1),
    }


def hallucination_report(
    model, probes: dict[str, dict[str, torch.Tensor]], source, tables, each: Callable = map
) -> dict:
    """All about seen and unseen people at the end of a run.

    Args:
        model: a stock causal language model.
        probes: with `seen` and `unseen`.
        source: whose people they are.
        tables: the stream's `TokenTables`.
        each: how the model is shown one part after the other, as of `evaluation.probes`.

    Returns:
        `detectors`: by score, `auroc` and `auprc` as [value, low, high]; `risk_coverage`: coverages and risks of
        answers about equally many seen and unseen people; `neighbors`: of `neighbor_answers`.
    """
    flats = {group: answers(probe_predictions(model, probes[group], each)) for group in ("seen", "unseen")}
    scores = {group: people_scores(flat) for group, flat in flats.items()}
    for group in scores:  # of the text, it is the names that tell one person from another
        scores[group]["text_likelihood"] = -text_losses(model, probes[group], each)
    detectors = {}
    for name in scores["seen"]:
        sides = (scores["seen"][name], scores["unseen"][name])
        detectors[name] = {"auroc": bootstrap(auroc, *sides), "auprc": bootstrap(auprc, *sides)}
    unseen = probes["unseen"]["individual_ids"].numpy()
    return {
        "detectors": detectors,
        "risk_coverage": _curve(*flats.values()),
        "neighbors": neighbor_answers(
            source.population, source.world.name, tables, unseen, flats["unseen"]["predicted"]
        ),
    }


def _curve(seen: Flat, unseen: Flat) -> dict[str, list[float]]:
    """Of equally many people of both groups, at some coverages."""
    n_people = min(len(seen["right"]), len(unseen["right"]))
    top, right = (
        np.concatenate((seen[key][:n_people], unseen[key][:n_people])).ravel() for key in ("top_probabilities", "right")
    )
    coverage, risk = risk_coverage(top, right)
    points = np.linspace(0, len(coverage) - 1, _CURVE_POINTS).round().astype(int)
    return {"coverage": coverage[points].tolist(), "risk": risk[points].tolist(), "area": float(risk.mean())}


def write_hallucination(run: Path, report: dict) -> None:
    """Write `hallucination.json`, rounded."""
    rounded = json.loads(json.dumps(report), parse_float=lambda text: float(f"{float(text):.5g}"))
    write_report(run, "hallucination", rounded)
