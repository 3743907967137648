"""How a function becomes an `evaluate` metric."""

import inspect
from collections.abc import Callable

import datasets
import evaluate


def metric(citation: str, **inputs: str | list[str]) -> Callable[[Callable], type[evaluate.Metric]]:
    """Make the function below it an `evaluate` metric, described by its docstring.

    Args:
        citation: of what defines it, BibTeX.
        inputs: the type of what is given for each example, e.g. `float64`; in a list, if there are several of them.
    """
    types = {name: [datasets.Value(*t)] if isinstance(t, list) else datasets.Value(t) for name, t in inputs.items()}

    def of_function(compute: Callable) -> type[evaluate.Metric]:
        description, arguments = inspect.getdoc(compute).split("\n\n", 1)

        class Metric(evaluate.Metric):
            __doc__, _compute = compute.__doc__, staticmethod(compute)

            def _info(self):
                features = datasets.Features(types)
                return evaluate.MetricInfo(description, citation, features=features, inputs_description=arguments)

        Metric.__name__ = compute.__name__
        return Metric

    return of_function
