"""Who is drawn at step t. A schedule changes who, never the text.

A schedule is a class and a row in SCHEDULES; docs/SCHEDULES.md has a complete example.
"""

import numpy as np

from command_line import UserError, unknown
from data_builder.plan import Plan, Schedule
from settings.declare import check_bounds


class Uniform(Schedule):
    """Every individual with the same probability 1/N (paper, Sec. 1: the default)."""

    def groups(self, step):
        """Everybody, at all times."""
        return [(self.plan.individuals, 1.0)]


class PowerLaw(Uniform):
    """Individual i = 1, 2, ... in proportion to i^-alpha (paper, Sec. 3); alpha 0 is uniform, 1 is Zipf's law."""

    def __init__(self, plan):
        super().__init__(plan)
        self.tops = np.cumsum(np.arange(1, len(plan.individuals) + 1) ** -float(plan.settings.alpha))

    def draw(self, step, draws):
        """Inverse of the cumulative distribution."""
        ranks = np.searchsorted(self.tops, draws * self.tops[-1], side="right")
        return self.plan.individuals.start + np.minimum(ranks, len(self.tops) - 1)  # rounding may reach the end


class Celebrities(Schedule):
    """The first `n_celebrities` are drawn `weight_celebrities` times as often as each other one (paper, Sec. 3)."""

    def __init__(self, plan):
        super().__init__(plan)
        self.celebrities = plan.first("n_celebrities")

    def groups(self, step):
        """Celebrities and the rest."""
        celebrities, rest = self.parts().values()
        return [(celebrities, self.plan.settings.weight_celebrities), (rest, 1.0)]

    def parts(self):
        """`celebrities` and `others`."""
        return {"celebrities": self.celebrities, "others": self.plan.individuals[len(self.celebrities) :]}


class WarmUp(Schedule):
    """The first `indiv_warmup` alone for `epochs_warmup` epochs, then everybody (paper, Sec. 3.2)."""

    def __init__(self, plan):
        super().__init__(plan)
        self.few = plan.first("indiv_warmup")
        self.steps = plan.warmup_steps()

    def groups(self, step):
        """The few, then all; uniform inside each."""
        return [(self.few if step < self.steps else self.plan.individuals, 1.0)]

    def parts(self):
        """The few, `early`, and all others, `late`."""
        return {"early": self.few, "late": self.plan.individuals[len(self.few) :]}

    def turns(self):
        """When everybody comes in."""
        return [self.steps]


class Sequential(Schedule):
    """`n_groups` groups in turn, each for the same number of steps, `n_repeats` times (paper, App. F.5, Figs. S-V)."""

    def __init__(self, plan):
        super().__init__(plan)
        n_groups, n_repeats = plan.settings.n_groups, plan.settings.n_repeats
        if not 1 <= n_groups <= len(plan.individuals):
            raise UserError(f"n_groups is {n_groups}; it must be from 1 to {len(plan.individuals)}, the population")
        if not 1 <= n_repeats * n_groups <= plan.max_steps:
            raise UserError(
                f"{n_repeats} n_repeats of {n_groups} n_groups are {n_repeats * n_groups} visits; "
                f"there must be from 1 to {plan.max_steps}, a step each"
            )

    def groups(self, step):
        """The group whose turn it is."""
        return [(self._group(self._turn(step)), 1.0)]

    def metrics(self, step):
        """Also `drawn_group`, 1, 2, ..., from which batch `step` is drawn."""
        return super().metrics(step) | {"drawn_group": self._turn(step) + 1}

    def parts(self):
        """`group1`, `group2`, ..."""
        return {f"group{number + 1}": self._group(number) for number in range(self.plan.settings.n_groups)}

    def turns(self):
        """When a visit begins, but for the first one."""
        n_visits, max_steps = self.plan.settings.n_groups * self.plan.settings.n_repeats, self.plan.max_steps
        return [-(-visit * max_steps // n_visits) for visit in range(1, n_visits)]

    def _turn(self, step: int) -> int:
        n_groups, n_repeats = self.plan.settings.n_groups, self.plan.settings.n_repeats
        return step * n_groups * n_repeats // self.plan.max_steps % n_groups

    def _group(self, number: int) -> range:
        individuals, n_groups = self.plan.individuals, self.plan.settings.n_groups
        begin, end = (len(individuals) * edge // n_groups for edge in (number, number + 1))
        return individuals[begin:end]


class Gradual(WarmUp):
    """From `indiv_warmup` individuals to everybody in `epochs_warmup` epochs, by the same factor each step.

    Gradual growth is a suggestion of the paper (Sec. 3.2, App. E.2); by which law is our choice.
    """

    def groups(self, step):
        """As many as have come in by now."""
        few, everybody = len(self.few), len(self.plan.individuals)
        share = min(1.0, step / self.steps) if self.steps else 1.0
        return [(self.plan.individuals[: round(few * (everybody / few) ** share)], 1.0)]

    def turns(self):
        """None: they come in one by one."""
        return []


class Adaptive(Schedule):
    """A warm-up that ends itself: the first `indiv_warmup` alone until the model begins to know them.

    It watches the attribute loss on the training batches, whose wording is new each time. When its
    mean over WINDOW steps falls below `share_adaptive` of the no-knowledge baseline, the few are being
    recalled and everybody is let in. No duration has to be tuned, which the paper's warm-up needs (Figs. K, L).
    That a warm-up may end itself is a suggestion of the paper (Sec. 3.2, App. E.2); by which rule is our choice.
    """

    WINDOW = 10

    def __init__(self, plan):
        super().__init__(plan)
        self.few = plan.first("indiv_warmup")
        self.state = {"opened_at": None, "recent": []}

    def parts(self):
        """The few, `early`, and all others, `late`."""
        return {"early": self.few, "late": self.plan.individuals[len(self.few) :]}

    @property
    def watching(self):
        """Until the decision is taken."""
        return self.state["opened_at"] is None

    def groups(self, step):
        """The few, and everybody from the step on at which the warm-up ended."""
        opened_at = self.state["opened_at"]
        waiting = opened_at is None or step < opened_at
        return [(self.few if waiting else self.plan.individuals, 1.0)]

    def observe(self, step, attribute_loss):
        """Let everybody in from batch `step` on, which is the next one, if the few are being recalled."""
        recent = [*self.state["recent"], attribute_loss][-self.WINDOW :]
        over = len(recent) == self.WINDOW and np.mean(recent) < self.plan.settings.share_adaptive * self.plan.baseline
        self.state = {"opened_at": step, "recent": []} if over else {"opened_at": None, "recent": recent}

    def recall(self, record):
        """The step is all that batches depend on."""
        self.state = {"opened_at": record.get("opened_at"), "recent": []}

    def metrics(self, step):
        """Also `opened_at`, null while the warm-up goes on."""
        return super().metrics(step) | {"opened_at": self.state["opened_at"]}


class Replay(Uniform):
    """Fine-tuning: new individuals, each with weight 1, and old ones with `weight_replay_finetune` (paper, Sec. 4.2).

    Weight 0 is no replay. `replay_stages` replays those of some stages, `n_individuals_replay` the first so many of the
    old ones; `start_replay` waits with it, for the last steps only (KnownPatch, arXiv 2511.02626).
    """

    def __init__(self, plan):
        super().__init__(plan)
        settings = plan.settings
        old = _chosen(plan.old, settings.replay_stages)
        n_old = sum(map(len, old))
        if settings.weight_replay_finetune and not n_old:
            raise UserError("schedule replay has nobody to replay here; it is for run_finetune.py")
        size = n_old if settings.n_individuals_replay is None else settings.n_individuals_replay
        if n_old and not 1 <= size <= n_old:
            raise UserError(f"n_individuals_replay is {size}; it must be from 1 to {n_old}, the old individuals")
        self.old = []
        for people in old:
            self.old.append(people[: max(0, size)])
            size -= len(people)

    def groups(self, step):
        """The new ones, and the old ones if it is time for them."""
        new, weight = (self.plan.individuals, 1.0), self.plan.settings.weight_replay_finetune
        if not weight or step < self.plan.settings.start_replay * self.plan.max_steps:
            return [new]
        return [*((people, weight) for people in self.old), new]


def _chosen(old: tuple[range, ...], stages: list[int] | None) -> list[range]:
    """Of each stage, pre-training being 0, those who are learned in it."""
    if stages is None:
        return list(old)
    if wrong := next((stage for stage in stages if not stage < len(old)), None):
        raise UserError(f"replay_stages has {wrong}; this model has stages 0 (pre-training) to {len(old) - 1}")
    return [old[stage] for stage in sorted({*stages})]


SCHEDULES = {
    "uniform": Uniform,
    "power_law": PowerLaw,
    "celebrities": Celebrities,
    "warm_up": WarmUp,
    "sequential": Sequential,
    "gradual": Gradual,
    "adaptive": Adaptive,
    "replay": Replay,
}


def build_schedule(plan: Plan) -> Schedule:
    """The schedule that the settings name.

    Raises:
        UserError: unknown name, or parameters that do not fit the population or the run.
    """
    name = plan.settings.schedule
    if name not in SCHEDULES:
        raise UserError(unknown("schedule", name, "", SCHEDULES))
    check_bounds(plan.settings)
    if plan.settings.weight_replay_finetune and not issubclass(SCHEDULES[name], Replay):
        raise UserError(f"weight_replay_finetune is for --schedule replay, not for {name}")
    return SCHEDULES[name](plan)
