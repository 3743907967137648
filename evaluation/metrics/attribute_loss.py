"""`evaluate` module: attribute loss (Zucchet et al. 2025, Sec. 1.3)."""

import numpy as np

from evaluation.citation import CITATION
from evaluation.knowledge import attribute_losses
from evaluation.metrics._metric import metric


@metric(CITATION, predictions=["float64"], references=["int64"])
def attribute_loss(predictions, references):
    """Attribute loss: the cross-entropy of the tokens of an attribute value, summed over the value's tokens, then
    averaged over biographies and over attributes, in nats. Compare it with the no-knowledge baseline: below it, a model
    knows something about individuals.

    Args:
        predictions (list of list of float): for each biography, the cross-entropy of each token in nats.
        references (list of list of int): for each biography, the attribute of each token
            (0 = text, not counted; 1, 2, ... = value token of that attribute).

    Returns:
        attribute_loss (float): mean over attributes, in nats.
        per_attribute (list of float): the loss of attribute 1, 2, ...
    """
    rows = np.repeat(np.arange(len(references)), [len(row) for row in references])
    losses, attributes = np.concatenate(predictions), np.concatenate(references)
    values = attributes > 0
    losses = attribute_losses(losses[values], rows[values], attributes[values], int(attributes.max()))
    return {"attribute_loss": float(losses.mean()), "per_attribute": losses.tolist()}
