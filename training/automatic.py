"""When a run saves its state without being asked to, so that being killed costs minutes, whatever its size."""

import time

from settings.training import TrainingSettings

LONGEST = 300.0  # seconds of training that may be lost, while saving is cheap enough
SHARE = 0.01  # of a run's time that such saves may take
# Until one was timed: bytes a second, as measured on two cores with other work; three numbers for each parameter.
_PACE, _BYTES = 100e6, 12


class AutomaticSaves:
    """Tells when one is due, by the clock: LONGEST after the last save of any kind, or later where saving is slow.

    Args:
        settings: of the run; none are due where `save_steps` says when to save.
        n_parameters: of the model.
    """

    def __init__(self, settings: TrainingSettings, n_parameters: int):
        self._wanted = settings.save_steps is None
        self._last = time.perf_counter()
        self._cost = n_parameters * _BYTES / _PACE  # seconds that a save takes

    def is_due(self) -> bool:
        """Whether so much would be lost that a save pays."""
        since = time.perf_counter() - self._last
        return self._wanted and since >= max(LONGEST, self._cost / SHARE)

    def saved(self, seconds: float) -> None:
        """Note that a checkpoint was saved, of whatever kind, and how long that took."""
        self._last, self._cost = time.perf_counter(), seconds
