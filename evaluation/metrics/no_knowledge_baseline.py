"""`evaluate` module: the no-knowledge baseline (Zucchet et al. 2025, Sec. 1.3)."""

from evaluation.citation import CITATION
from evaluation.knowledge import no_knowledge_baseline as baseline_of
from evaluation.metrics._metric import metric


@metric(CITATION, value_sizes="int64")
def no_knowledge_baseline(value_sizes):
    """No-knowledge baseline: the attribute loss of an ideal model that knows which values an attribute can take but
    nothing about any individual: the mean over attributes of ln(number of values), in nats.

    Args:
        value_sizes (list of int): for each attribute, how many equally likely values it has.

    Returns:
        no_knowledge_baseline (float): nats.
    """
    return {"no_knowledge_baseline": baseline_of(value_sizes)}
