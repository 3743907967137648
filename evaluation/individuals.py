"""Who is known at the end of a run, and how often each of them was drawn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from evaluation.hallucination import answers
from evaluation.probes import probe_predictions
from run_directory.layout import LAST_REPORT, write_report


def individual_knowledge(model, probe: dict[str, torch.Tensor], each: Callable = map) -> dict[str, np.ndarray]:
    """What a model knows of each individual of a probe, which it is shown part after part by `each`.

    Returns:
        `individual`, `attribute_loss` (nats) and `attribute_accuracy` (0-1), one entry each, by individual; and
        `right_by_place` (individuals, sentences), 1 where the value of the first, second, ... sentence is right.
    """
    flat = probe_predictions(model, probe, each)
    n_attributes = flat["attributes"].max()  # every biography tells all
    losses = np.bincount(flat["rows"], weights=flat["losses"]) / n_attributes
    wrong = np.unique(np.stack((flat["rows"], flat["attributes"]))[:, ~flat["correct"]], axis=1)
    accuracies = 1 - np.bincount(wrong[0], minlength=len(losses)) / n_attributes
    individuals = probe["individual_ids"].numpy()
    columns = {"individual": individuals, "attribute_loss": losses, "attribute_accuracy": accuracies}
    columns["right_by_place"] = right_by_place(flat).astype(int)
    return {name: column[individuals.argsort()] for name, column in columns.items()}


def right_by_place(flat: dict[str, np.ndarray]) -> np.ndarray:
    """Whether all tokens of a value are predicted right, by the place of its sentence in the biography.

    Args:
        flat: of `probe_predictions`.

    Returns:
        (biographies, sentences) booleans, in the order of the text.
    """
    told = answers(flat | {"tokens": np.arange(len(flat["rows"]))})
    return np.take_along_axis(told["right"], told["tokens"].argsort(axis=1), axis=1)


def write_individuals(run: Path, known: dict[str, np.ndarray], times_drawn: np.ndarray) -> None:
    """Write `individuals.json`: the columns of `individual_knowledge`, and `times_drawn`.

    Args:
        run: the run's directory.
        known: of `individual_knowledge`, at the end.
        times_drawn: of every individual of the population.
    """
    columns = known | {"times_drawn": times_drawn[known["individual"]]}
    rounded = {name: np.round(column, 4).tolist() for name, column in columns.items()}
    write_report(run, LAST_REPORT, rounded, indent=None)
