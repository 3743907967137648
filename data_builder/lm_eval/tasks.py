"""What lm-evaluation-harness needs beside the YAML: the questions of a group, and what an answer is worth.

It runs wherever a dataset lies, without the project that made it.
"""

from pathlib import Path

import datasets


def questions(group: str, **metadata) -> dict[str, datasets.Dataset]:
    """The questions about a group, as the split `test`."""
    files = sorted((Path(__file__).resolve().parents[1] / "questions").glob(f"*-{group}-*.parquet"))
    if not files:
        raise FileNotFoundError(
            f"no questions about {group} beside {Path(__file__).parent}: fetch the folder questions"
        )
    return {"test": datasets.Dataset.from_parquet([str(file) for file in files])}


def measured(doc: dict, results: list[tuple[float, bool]]) -> dict[str, float]:
    """From the log-likelihood of the answer, and whether each of its tokens is the likeliest: accuracy and nats."""
    loglikelihood, likeliest = results[0]
    return {"acc": float(likeliest), "attribute_loss": -loglikelihood}
