"""Which data, exactly: who and which text a run read between two steps.

python -m data_builder batch runs/mine --steps 500:510           # from checkpoint-500 to checkpoint-510
python -m data_builder batch me/facts-tiny --steps 0 --json      # the first batch; with token ids
"""

import argparse
import json
import os
import sys

from command_line import UserError
from data_builder.reading import Reading, reading_of


def main(argv: list[str]) -> None:
    """Print the biographies of the steps that are asked for, in the order in which they were read."""
    parser = argparse.ArgumentParser(
        prog="python -m data_builder batch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="run directory or Hub repository")
    parser.add_argument("--steps", required=True, metavar="FROM:TO", help="batches FROM to TO - 1, or one; from 0 on")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, with token ids")
    arguments = parser.parse_args(argv)
    asked = _parse(arguments.steps)
    reading = reading_of(arguments.run)
    if asked.stop > reading.n_steps:
        raise UserError(
            f"{arguments.run} has read {reading.n_steps:,} batches; --steps must be within 0:{reading.n_steps}"
        )
    try:
        for step in asked:
            _print(reading, step, arguments.json)
    except BrokenPipeError:  # `| head` has seen enough; nor is what is left to be written at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(steps: str) -> range:
    first, colon, last = steps.partition(":")
    if not first.isdecimal() or not (last.isdecimal() if colon else not last):
        raise UserError(f"--steps {steps}: say a step, or two as in 500:510")
    found = range(int(first), int(last) if colon else int(first) + 1)
    if not found:
        raise UserError(f"--steps {steps}: the second step must be above the first")
    return found


def _print(reading: Reading, step: int, as_json: bool) -> None:
    if not as_json:
        print(f"step {step}, {reading.batch_size} biographies")
    for row in reading.rows(step):
        who = "nobody" if row["group"] == "nobody" else f"{row['group']} {row['individual_id']}, {row['name']}"
        print(json.dumps(row, ensure_ascii=False) if as_json else f"  {who}: {row['text']}")
