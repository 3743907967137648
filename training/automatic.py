"""When a run saves its state without being asked to, so that being killed costs minutes, whatever its size."""

import time

from settings.training import TrainingSettings

LONGEST = 300.0  # seconds of training that may be lost, while saving is cheap enough
SHARE = 0.01  # of a run's time that such saves may take


class AutomaticSaves:
    """Tells when one is due, by the clock: LONGEST after the last save of any kind, or later where saving is slow.

    Args:
        settings: of the run; none are due where `save_steps` says when to save.
    """

    def __init__(self, settings: TrainingSettings):
        self._wanted = settings.save_steps is None
        self._last = time.perf_counter()
        self._cost = 0.0  # seconds that the last save took

    def is_due(self) -> bool:
        """Whether so much would be lost that a save pays."""
        since = time.perf_counter() - self._last
        return self._wanted and since >= max(LONGEST, self._cost / SHARE)

    def saved(self, seconds: float) -> None:
        """Note that a checkpoint was saved, of whatever kind, and how long that took."""
        self._last, self._cost = time.perf_counter(), seconds
