"""Who is drawn when."""

from dataclasses import dataclass

from command_line import setting


@dataclass
class ScheduleSettings:
    """Who is drawn when. Parameters have the paper's names (Sec. 3); docs/SCHEDULES.md has its grids."""

    schedule: str = setting("uniform", "who is drawn when, by name: docs/SCHEDULES.md")
    quasi_random: bool = setting(
        False, "draw individuals at regular intervals (low discrepancy), not at random", formerly="even_draws"
    )
    alpha: float = setting(0.6, "power_law: individual i is drawn in proportion to i^-alpha", at_least=0)
    n_celebrities: int | None = setting(None, "celebrities: how many; an eighth of the population if not given")
    weight_celebrities: float = setting(8.0, "celebrities: how much more often each of them is drawn", above=0)
    indiv_warmup: int | None = setting(None, "warm-ups: who comes first; an eighth of the population if not given")
    epochs_warmup: float = setting(2.0, "warm_up, gradual: how long, in epochs of population / batch size steps")
    share_adaptive: float = setting(
        0.6, "adaptive: training attribute loss / baseline at which everybody is let in", above=0, at_most=1
    )
    n_groups: int = setting(4, "sequential: groups visited in turn")
    n_repeats: int = setting(1, "sequential: how often all of them are visited")
    weight_replay_finetune: float = setting(
        0.0, "replay: how often an old individual is drawn, where a new one is 1", at_least=0
    )
    n_individuals_replay: int | None = setting(None, "replay: how many old individuals; all if not given")
    start_replay: float = setting(
        0.0, "replay: share of the steps after which old individuals are drawn", at_least=0, below=1
    )
