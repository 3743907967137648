"""metrics.jsonl, the record of a run: one JSON object a line. Other trackers are optional."""

import json
import math
from pathlib import Path

from accelerate.tracking import GeneralTracker, on_main_process

from run_directory.layout import replace_text


class JsonlTracker(GeneralTracker):
    """An accelerate tracker that appends each record to a file.

    Args:
        path: of metrics.jsonl.
    """

    name = "jsonl"
    requires_logging_directory = False
    main_process_only = True

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    @property
    def tracker(self):
        """What accelerate hands out as the raw tracker: the file's path."""
        return self.path

    @on_main_process
    def store_init_configuration(self, values: dict):
        """Nothing: config.yaml holds the settings."""

    @on_main_process
    def log(self, values: dict, step: int | None = None, **kwargs):
        """Append one line; numbers that JSON lacks (nan, infinities) become null."""
        record = {key: _json_number(value) for key, value in values.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _json_number(value):
    return value if value is None or math.isfinite(value) else None


def truncate_metrics(path: Path, step: int) -> None:
    """Keep the records up to `step`, when a run goes back to a checkpoint; drop a line cut in half."""
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except ValueError:
            break
    replace_text(path, "".join(kept))
