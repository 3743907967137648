"""`evaluate` module: attribute accuracy (Zucchet et al. 2025, Sec. 1.3)."""

import numpy as np

from evaluation.citation import CITATION
from evaluation.knowledge import attribute_accuracies
from evaluation.metrics._metric import metric


@metric(CITATION, predictions=["int64"], references=["int64"], attributes=["int64"])
def attribute_accuracy(predictions, references, attributes):
    """Attribute accuracy: the share of attribute values with all their tokens predicted right, averaged over
    attributes.

    Args:
        predictions (list of list of int): for each biography, the most likely id of each token.
        references (list of list of int): for each biography, the true id of each token.
        attributes (list of list of int): for each biography, the attribute of each token
            (0 = text, not counted; 1, 2, ... = value token of that attribute).

    Returns:
        attribute_accuracy (float): mean over attributes, between 0 and 1.
        per_attribute (list of float): the accuracy of attribute 1, 2, ...
    """
    rows = np.repeat(np.arange(len(references)), [len(row) for row in references])
    correct, attributes = np.concatenate(predictions) == np.concatenate(references), np.concatenate(attributes)
    values = attributes > 0
    accuracies = attribute_accuracies(correct[values], rows[values], attributes[values], int(attributes.max()))
    return {"attribute_accuracy": float(accuracies.mean()), "per_attribute": accuracies.tolist()}
