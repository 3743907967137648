"""Who is drawn, against the paper's definitions written down slowly."""

import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import UserError
from data_builder.random import uniforms
from data_builder.schedules import SCHEDULES, Adaptive, Plan, build_schedule
from data_builder.stream import BiographyStream
from settings.schedule import READS, ScheduleSettings
from tests.helpers.independent import fits

STEPS, BATCH = 40, 25  # with 50 people an epoch is 2 steps
SETTINGS = {
    "alpha": 0.8, "n_celebrities": 7, "weight_celebrities": 16.0, "indiv_warmup": 10, "epochs_warmup": 5.0,
    "share_adaptive": 0.9, "n_groups": 4, "n_repeats": 2,
}  # fmt: skip
OPENED = {"opened_at": 17, "recent": []}
EXTREMES = np.array([0.0, 2.0**-53, 0.5, 1 - 2.0**-53])
# In proportion to what individual i = 1 to 50 is drawn at a step (paper, Sec. 3 and Figs. S-V).
IN_PROPORTION = {
    "uniform": lambda i, step: 1,
    "power_law": lambda i, step: 1 / i**0.8,
    "celebrities": lambda i, step: 16 if i <= 7 else 1,
    "warm_up": lambda i, step: step >= 10 or i <= 10,
    "sequential": lambda i, step: (0, 12, 25, 37, 50)[step // 5 % 4] < i <= (12, 25, 37, 50)[step // 5 % 4],
    "gradual": lambda i, step: step >= 10 or i <= round(10 * 5 ** (step / 10)),
    "adaptive": lambda i, step: step >= 17 or i <= 10,
    "replay": lambda i, step: 1,  # with nobody to replay; test_replay.py has the rest
}
names = pytest.mark.parametrize("name", SCHEDULES)


def schedule_of(name, individuals=range(30, 80), max_steps=STEPS, batch_size=BATCH, baseline=2.0, **settings):
    chosen = ScheduleSettings(**{"schedule": name} | SETTINGS | settings)
    return build_schedule(Plan(individuals, chosen, max_steps, batch_size, baseline))


def opened(schedule):
    schedule.state = OPENED if schedule.watching else schedule.state
    return schedule


def probabilities(name, step, n=50):
    shares = [float(IN_PROPORTION[name](i, step)) for i in range(1, n + 1)]
    return np.array(shares) / sum(shares)


@names
def test_individuals_are_drawn_as_the_paper_defines(name):
    """At each step, and over all of them, where smaller errors show; from people that begin at 30."""
    schedule, counts = opened(schedule_of(name)), np.zeros((STEPS, 50))
    expected = np.array([probabilities(name, step) for step in range(STEPS)])
    for step in range(STEPS):
        drawn = schedule.draw(step, uniforms(0, "schedule", (5_000,), step))
        assert drawn.dtype == np.int64
        counts[step] = np.bincount(drawn - 30, minlength=50)
        assert fits(counts[step], expected[step])
        assert schedule.metrics(step)["n_drawable"] == (expected[step] > 0).sum()
    assert fits(counts.sum(axis=0), expected.mean(axis=0))


@names
def test_batches_of_a_stream_hold_whom_the_schedule_draws(name, source, tokenizer):
    schedule = opened(schedule_of(name, range(50)))
    stream, counts = BiographyStream(source, tokenizer, schedule, seed=0), np.zeros(100, dtype=int)
    for step in range(STEPS):
        for individual in stream.batch(step, 2 * BATCH)["individual_ids"].tolist():
            counts[individual] += 1
    expected = np.mean([probabilities(name, step) for step in range(STEPS)], axis=0)
    assert fits(counts, [*expected, *[0] * 50])
    assert stream.times_drawn(STEPS, 2 * BATCH).tolist() == counts.tolist()


@names
def test_even_draws_leave_nothing_to_luck(name, source, tokenizer):
    schedule = opened(schedule_of(name, range(50), quasi_random=True))
    stream = BiographyStream(source, tokenizer, schedule, seed=0)
    expected = 2 * BATCH * sum(probabilities(name, step) for step in range(STEPS))
    # At random, 40 draws come 6 times more or less; a change of who may be drawn costs up to a draw each time.
    assert np.abs(stream.times_drawn(STEPS, 2 * BATCH)[:50] - expected).max() < 4
    by_rows = np.concatenate([stream.batch(step, 2 * BATCH)["individual_ids"] for step in range(STEPS)])
    assert np.bincount(by_rows, minlength=50).tolist() == stream.times_drawn(STEPS, 2 * BATCH)[:50].tolist()


@names
@given(
    start=st.integers(0, 10**6),
    size=st.integers(1, 3000) | st.integers(1, 10**6),
    part=st.floats(0, 1),
    weight=st.floats(1e-6, 1e6),
    alpha=st.floats(0, 20),
    step=st.integers(0, 99),
)
def test_the_least_and_largest_draws_stay_in_range(name, start, size, part, weight, alpha, step):
    few = 1 + int(part * (size - 1))
    sizes = {"n_celebrities": few, "indiv_warmup": few, "n_groups": min(few, 50), "epochs_warmup": 1}
    plan = {"individuals": range(start, start + size), "max_steps": 100, "batch_size": max(1, size // 50)}
    schedule = schedule_of(name, **plan, **sizes, weight_celebrities=weight, alpha=alpha)
    drawn, groups = schedule.draw(step, EXTREMES), schedule.groups(step)
    assert drawn[0] == groups[0][0].start
    assert all(any(individual in people for people, _ in groups) for individual in drawn.tolist())
    assert (np.diff(drawn) >= 0).all()
    if name in ("uniform", "warm_up", "sequential", "gradual", "adaptive"):
        assert drawn[-1] == groups[-1][0][-1]


@given(st.integers(1, 5000), st.integers(0, 1000))
def test_alpha_0_and_weight_1_draw_exactly_whom_uniform_draws(size, step):
    draws = np.concatenate((uniforms(0, "schedule", (200,), step), EXTREMES, np.arange(size) / size))
    people = {"individuals": range(5, 5 + size), "n_celebrities": 1 + size // 3}
    everybody = {"individuals": range(5, 5 + size), "n_celebrities": size}
    uniform = schedule_of("uniform", **people).draw(step, draws).tolist()
    assert schedule_of("power_law", **people, alpha=0.0).draw(step, draws).tolist() == uniform
    assert schedule_of("celebrities", **people, weight_celebrities=1.0).draw(step, draws).tolist() == uniform
    assert schedule_of("celebrities", **everybody).draw(step, draws).tolist() == uniform


def drawable(schedule, steps):
    return [schedule.metrics(step)["n_drawable"] for step in steps]


def test_an_eighth_is_taken_where_no_number_is_given_and_a_warm_up_lasts_from_its_first_step_to_its_last():
    for name, key in (("celebrities", "n_celebrities"), ("warm_up", "indiv_warmup")):
        assert [len(schedule_of(name, range(n), **{key: None}).groups(0)[0][0]) for n in (1, 7, 64)] == [1, 1, 8]
    assert drawable(schedule_of("warm_up"), [0, 9, 10, 39]) == [10, 10, 50, 50]
    assert drawable(schedule_of("warm_up", epochs_warmup=0.8), [1, 2]) == [10, 50]  # 1.6 steps
    assert drawable(schedule_of("warm_up", epochs_warmup=0), [0, 39]) == [50, 50]
    assert drawable(schedule_of("warm_up", epochs_warmup=19.5), [38, 39]) == [10, 50]


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0, 3.9))
def test_gradual_growth_begins_with_the_few_and_ends_with_all(size, few, epochs):
    few = min(few, size)
    schedule = schedule_of("gradual", range(size), batch_size=size, max_steps=5, indiv_warmup=few, epochs_warmup=epochs)
    sizes = drawable(schedule, range(5))
    assert sizes[0] == (few if round(epochs) else size)
    assert sizes == sorted(sizes)
    assert set(sizes[round(epochs) :]) == {size}


@given(st.integers(1, 200), st.integers(1, 8), st.integers(1, 5), st.integers(0, 60))
def test_sequential_groups_share_out_people_and_steps_evenly(size, n_groups, n_repeats, more):
    n_groups, max_steps = min(n_groups, size), n_groups * n_repeats + more
    options = {"max_steps": max_steps, "n_groups": n_groups, "n_repeats": n_repeats}
    schedule = schedule_of("sequential", range(3, 3 + size), **options)
    visits = []  # [group, steps]
    for step in range(max_steps):
        ((people, _),) = schedule.groups(step)
        if visits and visits[-1][0] == people and n_groups > 1:
            visits[-1][1] += 1
        else:
            visits.append([people, 1])
    if n_groups > 1:
        assert len(visits) == n_groups * n_repeats
        assert max(steps for _, steps in visits) - min(steps for _, steps in visits) <= 1
    for begin in range(0, len(visits), n_groups):
        assert [i for people, _ in visits[begin : begin + n_groups] for i in people] == list(range(3, 3 + size))


def watch(schedule, losses, begin=0):
    """As the training loop does; gives what metrics say after each step."""
    said = []
    for step, loss in enumerate(losses, begin + 1):
        if schedule.watching:
            schedule.observe(step, loss)
        said.append(schedule.metrics(step)["opened_at"])
    return said


@given(st.lists(st.integers(8, 20).map(lambda eighths: eighths / 8), min_size=5, max_size=40), st.integers(0, 40))
def test_adaptive_opens_when_the_mean_of_its_window_is_low_and_stays_open(losses, cut):
    """And goes on from its state, as JSON, as if nothing had happened."""
    low = [step for step in range(10, len(losses) + 1) if sum(losses[step - 10 : step]) / 10 < 0.9 * 2.0]
    expected = [low[0] if low and low[0] <= step else None for step in range(1, len(losses) + 1)]
    schedule, resumed = schedule_of("adaptive"), schedule_of("adaptive")
    said = watch(schedule, losses[:cut])
    resumed.state = json.loads(json.dumps(schedule.state))
    assert said + watch(resumed, losses[cut:], begin=min(cut, len(losses))) == expected
    assert resumed.watching == (not low)
    assert drawable(resumed, range(len(losses))) == [
        50 if low and step >= low[0] else 10 for step in range(len(losses))
    ]


def test_adaptive_needs_a_whole_window_and_strictly_less():
    assert Adaptive.WINDOW == 10
    assert watch(schedule_of("adaptive", baseline=10.0), [9.0] * 20) == [None] * 20
    assert watch(schedule_of("adaptive", baseline=10.0), [8.99] * 11) == [None] * 9 + [10, 10]
    halved = schedule_of("adaptive", baseline=10.0, share_adaptive=0.5)
    assert watch(halved, [8.0] * 9 + [4.0] * 9) == [None] * 16 + [17, 17]  # two of 8 and eight of 4: mean 4.8
    assert watch(schedule_of("adaptive"), [float("nan"), *[1.0] * 10]) == [None] * 10 + [11]


def test_adaptive_draws_are_a_function_of_step_and_state():
    draws, schedule = uniforms(0, "schedule", (30,)), schedule_of("adaptive")
    early = [schedule.draw(step, draws).tolist() for step in range(12)]
    watch(schedule, [1.0] * 12)
    other = schedule_of("adaptive")
    other.state = schedule.state
    for step in (11, 3, 10, 0, 9, 3):
        again = schedule.draw(step, draws).tolist()
        assert again == other.draw(step, draws).tolist()
        assert (again == early[step]) == (step < 10)


class Noting(ScheduleSettings):
    """Notes which settings are read."""

    def __getattribute__(self, name):
        noted.add(name)
        return super().__getattribute__(name)


noted = set()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_reads_the_settings_that_are_said_to_be_its_own_and_no_others(name):
    settings = Noting(schedule=name, weight_replay_finetune=0.5)  # without it there is no replay
    noted.clear()
    schedule = SCHEDULES[name](Plan(range(50), settings, STEPS, BATCH, baseline=5.0, old=(range(50, 60),)))
    for step in range(12):
        schedule.draw(step, EXTREMES)
        schedule.observe(step, 1.0)
        schedule.metrics(step)
    assert noted & {field.name for field in fields(ScheduleSettings)} == set(READS[name])


def test_only_adaptive_watches_and_the_step_and_settings_of_others_do_not_matter_where_nothing_changes():
    assert [name for name in SCHEDULES if schedule_of(name).watching] == ["adaptive"]
    assert [name for name in SCHEDULES if schedule_of(name).state] == ["adaptive"]
    draws = uniforms(0, "schedule", (100,))
    for name in ("uniform", "power_law", "celebrities"):
        schedule = schedule_of(name, indiv_warmup=0, epochs_warmup=999.0, n_groups=0)
        assert schedule.draw(0, draws).tolist() == schedule.draw(77, draws).tolist()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("powerlaw", {}, "^unknown schedule 'powerlaw'; the nearest known one is 'power_law'$"),
        ("power_law", {"alpha": -0.1}, "alpha is -0.1; it must be at least 0"),
        ("power_law", {"alpha": float("nan")}, "alpha is nan"),
        ("celebrities", {"n_celebrities": 51}, "n_celebrities is 51; it must be from 1 to 50, the population"),
        ("celebrities", {"n_celebrities": 0}, "n_celebrities is 0"),
        *(("celebrities", {"weight_celebrities": x}, f"weight_celebrities is {x}") for x in (0.0, -2.0)),
        *(("celebrities", {"weight_celebrities": float(x)}, f"weight_celebrities is {x}") for x in ("nan", "inf")),
        *((name, {"indiv_warmup": 51}, "indiv_warmup is 51") for name in ("warm_up", "gradual", "adaptive")),
        *(("adaptive", {"share_adaptive": x}, f"share_adaptive is {x}; it must be above 0") for x in (0.0, -0.5, 1.1)),
        ("adaptive", {"share_adaptive": float("nan")}, "share_adaptive is nan"),
        *((name, {"indiv_warmup": 0}, "indiv_warmup is 0") for name in ("warm_up", "gradual", "adaptive")),
        ("warm_up", {"epochs_warmup": 20.0}, "epochs_warmup 20.0 is 40 steps; it must end within max_steps 40"),
        ("gradual", {"epochs_warmup": -1.0}, "epochs_warmup -1.0 is -2 steps"),
        ("gradual", {"epochs_warmup": -0.01}, "epochs_warmup -0.01 is -0.02 steps"),
        *(("warm_up", {"epochs_warmup": float(x)}, f"epochs_warmup {x} is {x} steps") for x in ("nan", "inf")),
        ("sequential", {"n_groups": 51}, "n_groups is 51; it must be from 1 to 50, the population"),
        *(("sequential", {"n_groups": x}, f"n_groups is {x}") for x in (0, -1)),
        *(("sequential", {"n_repeats": x}, f"^{x} n_repeats of 4 n_groups are {4 * x} visits") for x in (0, -1)),
        ("sequential", {"n_repeats": 11}, "11 n_repeats of 4 n_groups are 44 visits; there must be from 1 to 40"),
    ],
)
def test_parameters_that_do_not_fit_are_one_line(name, settings, message):
    with pytest.raises(UserError, match=message) as error:
        schedule_of(name, **settings)
    assert "\n" not in str(error.value)
