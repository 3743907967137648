"""`evaluate` module: telling known from unknown by a score."""

import datasets
import evaluate
import numpy as np

from evaluation.citation import CITATION
from evaluation.detection import auprc, auroc, bootstrap

_DESCRIPTION = """\
How well a score, such as a model's confidence, tells people it has read of from others: area under the ROC curve and
under the precision-recall curve (average precision), each with a 95% bootstrap interval.
"""

_INPUTS = """
Args:
    predictions (list of float): a score for each individual, higher for those who seem known.
    references (list of int): 1 for a known individual, 0 for another.
    seed (int): of the bootstrap; 0 by default.

Returns:
    auroc, auprc (float): 0-1; guessing gives 0.5 and the share of known individuals.
    auroc_interval, auprc_interval (list of float): lower and upper end.
"""


class KnownDetection(evaluate.Metric):
    """Telling known from unknown by a score as an `evaluate` metric."""

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions, references, seed=0):
        scores, known = np.asarray(predictions), np.asarray(references) == 1
        results = {}
        for name, measure in (("auroc", auroc), ("auprc", auprc)):
            results[name], *interval = bootstrap(measure, scores[known], scores[~known], seed)
            results[f"{name}_interval"] = interval
        return results
