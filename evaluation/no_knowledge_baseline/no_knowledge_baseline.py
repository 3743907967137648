"""`evaluate` module: the no-knowledge baseline (Zucchet et al. 2025, Sec. 2)."""

import datasets
import evaluate

from evaluation import knowledge
from evaluation.citation import CITATION

_DESCRIPTION = """\
No-knowledge baseline: the attribute loss of an ideal model that knows which values an attribute can
take but nothing about any individual: the mean over attributes of ln(number of values), in nats.
"""

_INPUTS = """
Args:
    value_sizes (list of int): for each attribute, how many equally likely values it has.

Returns:
    no_knowledge_baseline (float): nats.
"""


class NoKnowledgeBaseline(evaluate.Metric):
    """The no-knowledge baseline as an `evaluate` metric."""

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"value_sizes": datasets.Value("int64")}),
        )

    def _compute(self, value_sizes):
        return {"no_knowledge_baseline": knowledge.no_knowledge_baseline(value_sizes)}
