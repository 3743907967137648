"""What every benchmark does with its figures."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch


def report(description: str, measure: Callable[[], dict], draw: Callable[[dict, Path], None] | None = None) -> None:
    """Measure; say with which torch on how many threads; write the figures where `--json` says, and draw them where
    `--figure` does.
    """
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures there")
    if draw:
        parser.add_argument("--figure", type=Path, help="draw them there")
    arguments = parser.parse_args()
    figures = measure() | {"torch": torch.__version__, "threads": torch.get_num_threads()}
    print(f"torch {figures['torch']}, {figures['threads']} threads")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    if draw and arguments.figure:
        draw(figures, arguments.figure)
