"""Who is drawn when."""

from dataclasses import dataclass

from settings.declare import setting


@dataclass
class ScheduleSettings:
    """Who is drawn when. Parameters have the paper's names: docs/SCHEDULES.md."""

    schedule: str = setting("uniform", "who is drawn when (docs/SCHEDULES.md)")
    quasi_random: bool = setting(
        False, "draw individuals at regular intervals (low discrepancy), not at random", formerly="even_draws"
    )
    alpha: float = setting(0.6, "power_law: individual i is drawn in proportion to i^-alpha", at_least=0)
    n_celebrities: int | None = setting(None, "celebrities: how many; an eighth of the population if None")
    weight_celebrities: float = setting(
        8.0, "celebrities: how many times as often each is drawn as others", above=0, at_most=1e6
    )
    indiv_warmup: int | None = setting(None, "warm-ups: first individuals; an eighth of the population if None")
    epochs_warmup: float = setting(2.0, "warm_up, gradual: length in epochs of population / batch size steps")
    share_adaptive: float = setting(
        0.6, "adaptive: training attribute loss / baseline below which everybody is drawn", above=0, at_most=1
    )
    n_groups: int = setting(4, "sequential: groups visited in turn")
    n_repeats: int = setting(1, "sequential: visits to each group")
    weight_replay_finetune: float = setting(
        0.0, "replay: weight of an old individual; a new one has 1", at_least=0, at_most=1e6
    )
    n_individuals_replay: int | None = setting(None, "replay: old individuals replayed; all if None")
    replay_stages: list[int] | None = setting(
        None,
        "replay: stages whose people are replayed: 0 is pre-training, 1 the first fine-tuning, ...; all if None",
        at_least=0,
    )
    start_replay: float = setting(
        0.0, "replay: share of the steps before old individuals are drawn", at_least=0, below=1
    )


# Which of them a schedule reads, beside `schedule` and `quasi_random`, which all do; others change nothing of a run. A
# schedule that is not here, somebody's own, may read any.
READS = {
    "uniform": (),
    "power_law": ("alpha",),
    "celebrities": ("n_celebrities", "weight_celebrities"),
    "warm_up": ("indiv_warmup", "epochs_warmup"),
    "gradual": ("indiv_warmup", "epochs_warmup"),
    "sequential": ("n_groups", "n_repeats"),
    "adaptive": ("indiv_warmup", "share_adaptive"),
    "replay": ("weight_replay_finetune", "n_individuals_replay", "replay_stages", "start_replay"),
}


def is_read(name: str, schedule: str | None) -> bool:
    """Whether a setting says anything about a run with this schedule; settings of other things always do."""
    return schedule not in READS or name in READS[schedule] or name not in set().union(*READS.values())
