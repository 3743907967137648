"""`evaluate` module: expected calibration error."""

from evaluation import detection
from evaluation.metrics import metric


@metric(predictions="float64", references="int64")
def calibration_error(predictions, references, n_bins=detection.N_BINS):
    """Expected calibration error: how far the share of right answers is from the confidence in them, averaged over
    equally wide bins of confidence by their number of answers. 0 is perfect.

    Args:
        predictions (list of float): the model's probability of each of its answers, 0-1.
        references (list of int): 1 where the answer is right, else 0.
        n_bins (int): bins of confidence; 15 by default.

    Returns:
        calibration_error (float): 0-1.
    """
    return {"calibration_error": detection.calibration_error(predictions, references, n_bins)}
