"""How the plateau grows with the number of individuals."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_directory.records import Run
from sweeps.power_laws import end, exposures, length, powers, powers_of, sensitivity
from sweeps.results import Result

SIZES = (512, 1024, 4096)


@given(st.floats(-1, 3), st.floats(0.1, 10), st.sets(st.sampled_from([512, 1024, 2048, 4096]), min_size=2))
def test_the_exponent_of_a_power_law_is_found(power, factor, sizes):
    values = {n: {0: factor * n**power, 1: 2 * factor * n**power, n: 1.0} for n in sorted(sizes)}
    assert powers(values) == pytest.approx({0: power, 1: power}, abs=1e-6)  # only seeds that all sizes have count


def test_a_seed_without_a_value_has_no_power():
    assert powers({512: {0: 1.0, 1: 2.0}, 1024: {0: None, 1: 4.0}}) == {0: None, 1: pytest.approx(1)}


def run_of(n, begin=100, leave=0.5):
    """Above the plateau up to `begin`, on it until n / 2 steps later, then below it by a share `leave`."""
    losses = [(0, 1.5), (begin - 1, 1.5), (begin, 1.0), (begin + n / 2, 1.0), (begin + n / 2 + 1, 1 - leave)]
    records = [{"step": step, "seen_attribute_loss": loss, "no_knowledge_baseline": 1.0} for step, loss in losses]
    config = {"n_individuals": n, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 4}
    return Result(f"n{n}", "v", 0, {}, Run(Path(), config, records))


def test_end_length_and_exposures_are_those_of_the_curve():
    result = run_of(1024)
    assert end(result) == pytest.approx(100 + 512, abs=1)
    assert length(result) == pytest.approx(512, abs=1)
    assert exposures(result) == pytest.approx((100 + 512) * 32 / 1024, rel=0.01)
    groups = {n: [run_of(n)] for n in SIZES}
    assert powers_of(groups, length)[0] == pytest.approx(1, abs=0.01)
    assert powers_of(groups, end)[0] < 0.95  # phase 1 takes as long for all
    assert powers_of(groups, exposures)[0] == pytest.approx(powers_of(groups, end)[0] - 1)


def test_how_near_the_baseline_a_plateau_is_decides_what_is_reached():
    groups = {n: [run_of(n, leave=0.04)] for n in SIZES}
    rows = {line.split(" | ")[0]: line for line in sensitivity(groups).splitlines()}
    assert "not reached" not in rows["| 3%"]
    assert rows["| 5%"].count("1 of 1 not reached") == 3
