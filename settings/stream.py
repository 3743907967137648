"""Which dataset, and how biographies are drawn from it."""

from dataclasses import dataclass

from command_line import setting
from settings.data import DatasetSettings


@dataclass
class StreamSettings(DatasetSettings):
    """Which dataset, and how biographies are drawn from it."""

    redraw_values: bool = setting(False, "control: new values in each biography, so that nobody can be known")
