"""`evaluate` module: risk against coverage."""

from evaluation.citation import CITATION
from evaluation.detection import risk_coverage as curve_of
from evaluation.metrics._metric import metric


@metric(CITATION, predictions="float64", references="int64")
def risk_coverage(predictions, references):
    """Risk against coverage: the share of wrong answers when a model gives only its most confident ones and abstains
    from the others, for every share of answers that are given; and the mean risk over all of them (area under the
    curve).

    Args:
        predictions (list of float): confidence in each answer.
        references (list of int): 1 where the answer is right, else 0.

    Returns:
        risk_coverage_area (float): 0-1, lower is better.
        coverage (list of float): shares of answers given, ascending to 1.
        risk (list of float): the share of wrong ones among them.
    """
    coverage, risk = curve_of(predictions, references)
    return {"risk_coverage_area": float(risk.mean()), "coverage": coverage.tolist(), "risk": risk.tolist()}
