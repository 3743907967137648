"""`evaluate` module: risk against coverage."""

import datasets
import evaluate

from evaluation.citation import CITATION
from evaluation.detection import risk_coverage

_DESCRIPTION = """\
Risk against coverage: the share of wrong answers when a model gives only its most confident ones and abstains from the
others, for every share of answers that are given; and the mean risk over all of them (area under the curve).
"""

_INPUTS = """
Args:
    predictions (list of float): confidence in each answer.
    references (list of int): 1 where the answer is right, else 0.

Returns:
    risk_coverage_area (float): 0-1, lower is better.
    coverage (list of float): shares of answers given, ascending to 1.
    risk (list of float): the share of wrong ones among them.
"""


class RiskCoverage(evaluate.Metric):
    """Risk against coverage as an `evaluate` metric."""

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions, references):
        coverage, risk = risk_coverage(predictions, references)
        return {"risk_coverage_area": float(risk.mean()), "coverage": coverage.tolist(), "risk": risk.tolist()}
