"""metrics.jsonl, the record of a run: one JSON object a line. Other trackers are optional."""

from pathlib import Path

from accelerate.tracking import GeneralTracker, on_main_process

from run_directory.records import append_record


class JsonlTracker(GeneralTracker):
    """An accelerate tracker that appends each record to a file.

    Args:
        run: its directory.
    """

    name = "jsonl"
    requires_logging_directory = False
    main_process_only = True

    def __init__(self, run: Path):
        super().__init__()
        self.run = run

    @property
    def tracker(self):
        """What accelerate hands out as the raw tracker: the run's directory."""
        return self.run

    @on_main_process
    def store_init_configuration(self, values: dict):
        """Nothing: config.yaml holds the settings."""

    @on_main_process
    def log(self, values: dict, step: int | None = None, **kwargs):
        """Append one line."""
        append_record(self.run, values)
