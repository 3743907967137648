import pytest
from hypothesis import given
from hypothesis import strategies as st

from settings.training import TrainingSettings
from training.checkpoints import Progress
from training.forecast import Forecast, duration

UPDATE, EVALUATION = 0.5, 2.0  # seconds, exact in binary


def simulate(max_steps, eval_steps, update_seconds, progress=None):
    """A run on an invented clock, as the loop makes it: forecast, what it said and when, and the true time."""
    forecast = Forecast(TrainingSettings(max_steps=max_steps, eval_steps=eval_steps))
    clock, said = (progress.seconds, []) if progress else (EVALUATION, [])
    progress = progress or Progress(evaluation_seconds=EVALUATION)
    for update in range(max_steps - progress.step):
        clock += update_seconds(update)
        progress.step += 1
        progress.seconds = clock
        said.append(forecast.note(update_seconds(update), progress))
        if progress.step % eval_steps == 0 or progress.step == max_steps:
            clock += EVALUATION
            progress.evaluation_seconds += EVALUATION
    return forecast, said, clock


def slow_start(update):
    """Cold updates, and an outlier among the next ten."""
    return {0: 9.0, 1: 3.0, 19: 3.0, 27: 6.0}.get(update, UPDATE)


@pytest.mark.parametrize("eval_steps", [1, 5, 6, 10, 29, 30, 31, 100, 1000])
@pytest.mark.parametrize("max_steps", [30, 31, 60, 100, 105])
def test_a_forecast_is_exact_where_the_rest_goes_as_the_beginning(max_steps, eval_steps):
    forecast, said, true_seconds = simulate(max_steps, eval_steps, slow_start)
    assert forecast.seconds == true_seconds
    assert [step for step, line in enumerate(said, 1) if line] == [30]
    assert not any(simulate(29, eval_steps, slow_start)[1])  # too short to predict
    assert said[29] == (
        f"about {duration(true_seconds)} in all: {max_steps} steps of 0.5 s, "
        f"{2 + (max_steps - 1) // eval_steps} evaluations of 2 s"
    )


@pytest.mark.parametrize("eval_steps", [6, 10, 25])
@pytest.mark.parametrize("begin", [3, 20, 48, 70])
def test_a_resumed_run_counts_the_time_before(begin, eval_steps):
    n_evaluations = 1 + begin // eval_steps
    progress = Progress(begin, seconds=1000.0, evaluation_seconds=n_evaluations * EVALUATION)
    forecast, _, true_seconds = simulate(100, eval_steps, slow_start, progress)
    assert forecast.seconds == true_seconds
    forecast = Forecast(TrainingSettings(max_steps=100, eval_steps=75), first=40)  # as a patched run that begins there
    progress, said = Progress(40, seconds=EVALUATION, evaluation_seconds=EVALUATION), None
    while said is None:
        progress.step, progress.seconds = progress.step + 1, progress.seconds + UPDATE
        said = forecast.note(UPDATE, progress)
    assert forecast.seconds == 60 * UPDATE + 3 * EVALUATION  # at 40, 75 and 100
    assert said.endswith("in all: 60 steps of 0.5 s, 3 evaluations of 2 s")


@given(st.integers(1, 3000), st.integers(1, 400), st.integers(1, 12))
def test_evaluations_are_dense_at_the_start(max_steps, eval_steps, evals_per_decade):
    plain = TrainingSettings(max_steps=max_steps, eval_steps=eval_steps)
    assert plain.evaluations() == [s for s in range(max_steps + 1) if s % eval_steps == 0 or s == max_steps]
    dense = TrainingSettings(max_steps=max_steps, eval_steps=eval_steps, evals_per_decade=evals_per_decade)
    more = set(dense.evaluations()) - set(plain.evaluations())
    assert dense.evaluations() == sorted({*plain.evaluations(), *more})
    wanted = [10 ** (k / evals_per_decade) for k in range(100)]
    assert all(min(abs(step - w) for w in wanted) <= 0.5 for step in more)
    assert all(round(w) in dense.evaluations() for w in wanted if w < max_steps)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.4, "0 s"), (47.6, "48 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (170, "2 min 50 s"),
        (3599.4, "59 min 59 s"), (3599.6, "1 h 00 min"), (11_100, "3 h 05 min"),
        (259_100, "71 h 58 min"), (360_000, "4 days"),
    ],
)  # fmt: skip
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text
