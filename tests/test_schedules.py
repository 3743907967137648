import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from independent import is_uniform

from data_builder.random import uniforms
from data_builder.schedules import Uniform


def test_each_individual_is_drawn_equally_often():
    drawn = Uniform(range(30, 80)).draw(0, uniforms(0, "schedule", (50_000,)))
    counts = np.bincount(drawn - 30, minlength=50)
    assert len(counts) == 50
    assert is_uniform(counts)


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 10**6))
def test_the_least_and_largest_draws_give_the_ends_of_the_range(start, size, step):
    drawn = Uniform(range(start, start + size)).draw(step, np.array([0.0, 1 - 2.0**-53]))
    assert drawn.tolist() == [start, start + size - 1]
    assert drawn.dtype == np.int64


def test_the_step_does_not_matter():
    draws = uniforms(0, "schedule", (100,))
    schedule = Uniform(range(10))
    assert schedule.draw(0, draws).tolist() == schedule.draw(77, draws).tolist()
