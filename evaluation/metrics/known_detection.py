"""`evaluate` module: telling known from unknown by a score."""

import numpy as np

from evaluation.citation import CITATION
from evaluation.detection import auprc, auroc, bootstrap
from evaluation.metrics._metric import metric


@metric(CITATION, predictions="float64", references="int64")
def known_detection(predictions, references, seed=0):
    """How well a score, such as a model's confidence, tells people it has read of from others: area under the ROC curve
    and under the precision-recall curve (average precision), each with a 95% bootstrap interval.

    Args:
        predictions (list of float): a score for each individual, higher for those who seem known.
        references (list of int): 1 for a known individual, 0 for another.
        seed (int): of the bootstrap; 0 by default.

    Returns:
        auroc, auprc (float): 0-1; guessing gives 0.5 and the share of known individuals.
        auroc_interval, auprc_interval (list of float): lower and upper end.
    """
    scores, known = np.asarray(predictions), np.asarray(references) == 1
    results = {}
    for name, measure in (("auroc", auroc), ("auprc", auprc)):
        results[name], *results[f"{name}_interval"] = bootstrap(measure, scores[known], scores[~known], seed)
    return results
