"""`evaluate` module: expected calibration error."""

import datasets
import evaluate

from evaluation.citation import CITATION
from evaluation.detection import N_BINS, calibration_error

_DESCRIPTION = """\
Expected calibration error: how far the share of right answers is from the confidence in them, averaged over equally
wide bins of confidence by their number of answers. 0 is perfect.
"""

_INPUTS = """
Args:
    predictions (list of float): the model's probability of each of its answers, 0-1.
    references (list of int): 1 where the answer is right, else 0.
    n_bins (int): bins of confidence; 15 by default.

Returns:
    calibration_error (float): 0-1.
"""


class CalibrationError(evaluate.Metric):
    """Expected calibration error as an `evaluate` metric."""

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions, references, n_bins=N_BINS):
        return {"calibration_error": calibration_error(predictions, references, n_bins)}
