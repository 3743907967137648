"""`evaluate` module: attribute accuracy (Zucchet et al. 2025, Sec. 2)."""

import datasets
import evaluate
import numpy as np

from evaluation.citation import CITATION
from evaluation.knowledge import attribute_accuracies

_DESCRIPTION = """\
Attribute accuracy: the share of attribute values with all their tokens predicted right, averaged
over attributes.
"""

_INPUTS = """
Args:
    predictions (list of list of int): for each biography, the most likely id of each token.
    references (list of list of int): for each biography, the true id of each token.
    attributes (list of list of int): for each biography, the attribute of each token
        (0 = text, not counted; 1, 2, ... = value token of that attribute).

Returns:
    attribute_accuracy (float): mean over attributes, between 0 and 1.
    per_attribute (list of float): the accuracy of attribute 1, 2, ...
"""


class AttributeAccuracy(evaluate.Metric):
    """Attribute accuracy as an `evaluate` metric."""

    def _info(self):
        tokens = datasets.Sequence(datasets.Value("int64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": tokens, "references": tokens, "attributes": tokens}),
        )

    def _compute(self, predictions, references, attributes):
        rows = np.repeat(np.arange(len(references)), [len(row) for row in references])
        correct = np.concatenate(predictions) == np.concatenate(references)
        attributes = np.concatenate(attributes)
        values = attributes > 0
        n_attributes = int(attributes.max())
        accuracies = attribute_accuracies(correct[values], rows[values], attributes[values], n_attributes)
        return {"attribute_accuracy": float(accuracies.mean()), "per_attribute": accuracies.tolist()}
