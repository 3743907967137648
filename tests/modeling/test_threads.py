"""How many threads a run has and why, and how long they wait for each other before they sleep."""

import os
import re
import subprocess
import sys

import pytest
import torch

from command_line import cores
from modeling.cpu import use_cores
from tests.helpers.pretraining import ROOT

OWN = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")


@pytest.fixture
def environment(monkeypatch):
    """Nothing said, whatever the tests were started with; the number of threads comes back."""
    n = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "LOCAL_WORLD_SIZE", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    yield monkeypatch
    torch.set_num_threads(n)


@pytest.mark.parametrize(
    ("given", "told", "expected", "why"),
    [
        ({}, None, cores(), "all cores"),
        ({}, 3, 3, "--num_threads"),
        ({"OMP_NUM_THREADS": "3"}, None, 3, "OMP_NUM_THREADS"),
        ({"OMP_NUM_THREADS": "1"}, None, 1, "OMP_NUM_THREADS"),
        ({"OMP_NUM_THREADS": "3"}, 2, 2, "--num_threads"),
        # accelerate's launcher sets 1 where its user said nothing
        ({"OMP_NUM_THREADS": "1", "ACCELERATE_MIXED_PRECISION": "no"}, None, cores(), "all cores"),
        ({"OMP_NUM_THREADS": "3", "ACCELERATE_MIXED_PRECISION": "no"}, None, 3, "OMP_NUM_THREADS"),
        ({"LOCAL_WORLD_SIZE": "1000"}, None, 1, "cores / 1000 processes"),
        ({"OMP_NUM_THREADS": "many"}, None, cores(), "all cores"),
    ],
)
def test_a_run_has_the_threads_that_it_is_given(environment, given, told, expected, why):
    for name, value in given.items():
        environment.setenv(name, value)
    assert (use_cores(told), torch.get_num_threads()) == (why, expected)


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or cores() < 2, reason="needs two cores that can be taken away"
)
def test_taskset_is_heeded(environment):
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert (use_cores(None), torch.get_num_threads()) == ("all cores", 1)
    finally:
        os.sched_setaffinity(0, allowed)


def spins_of(script: str, **given) -> str | None:
    """What libgomp itself says that it read, when it is loaded with torch."""
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    environment |= {"OMP_DISPLAY_ENV": "verbose"} | given
    command = [sys.executable, "-c", f"import {script}; import torch"]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stderr
    found = re.search(r"GOMP_SPINCOUNT = '(\w+)'", said)
    return found and found[1]


@pytest.mark.skipif(spins_of("os") is None, reason="this torch does not use libgomp")
def test_threads_spin_for_a_bounded_time_unless_the_user_says_otherwise():
    assert spins_of("run_pretrain") == "10000"
    assert spins_of("run_pretrain", GOMP_SPINCOUNT="77") == "77"
    assert spins_of("run_pretrain", OMP_WAIT_POLICY="PASSIVE") == spins_of("os", OMP_WAIT_POLICY="PASSIVE")
