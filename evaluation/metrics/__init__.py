"""Metrics for `evaluate.load`, each a file: `evaluate.load("<path to>/evaluation/metrics/attribute_loss.py")`.

`evaluate` copies that file into its cache and runs it there; so it imports the rest of this project by its full name.
"""

import inspect
from collections.abc import Callable

import datasets
import evaluate

from evaluation.citation import CITATION


def metric(**inputs: str | list[str]) -> Callable[[Callable], type[evaluate.Metric]]:
    """Make the function below it an `evaluate` metric, described by its docstring.

    Args:
        inputs: the type of what is given for each example, e.g. `float64`; in a list, if there are several of them.
    """
    types = {name: [datasets.Value(*t)] if isinstance(t, list) else datasets.Value(t) for name, t in inputs.items()}

    def of_function(compute: Callable) -> type[evaluate.Metric]:
        description, arguments = inspect.getdoc(compute).split("\n\n", 1)

        class Metric(evaluate.Metric):
            __doc__, _compute = compute.__doc__, staticmethod(compute)

            def _info(self):
                features = datasets.Features(types)
                return evaluate.MetricInfo(description, CITATION, features=features, inputs_description=arguments)

        Metric.__name__ = compute.__name__
        return Metric

    return of_function
