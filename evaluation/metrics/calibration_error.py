"""`evaluate` module: expected calibration error."""

from evaluation.citation import CITATION
from evaluation.detection import N_BINS
from evaluation.detection import calibration_error as error_of
from evaluation.metrics._metric import metric


@metric(CITATION, predictions="float64", references="int64")
def calibration_error(predictions, references, n_bins=N_BINS):
    """Expected calibration error: how far the share of right answers is from the confidence in them, averaged over
    equally wide bins of confidence by their number of answers. 0 is perfect.

    Args:
        predictions (list of float): the model's probability of each of its answers, 0-1.
        references (list of int): 1 where the answer is right, else 0.
        n_bins (int): bins of confidence; 15 by default.

    Returns:
        calibration_error (float): 0-1.
    """
    return {"calibration_error": error_of(predictions, references, n_bins)}
