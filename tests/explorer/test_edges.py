"""What newcomers to the explorer met at its edges."""

import shutil

import numpy as np
import pytest

from command_line import UserError
from explorer import panels
from explorer.charts import line_chart
from explorer.page import linked, titles
from explorer.source import Explored
from explorer.views import Lines
from tests.helpers.finetuning import finetune


@pytest.fixture(scope="module")
def explored(finished):
    return Explored(str(finished))


def test_a_run_of_which_every_model_is_damaged_is_told_at_once(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "mine")
    for folder in (run, *run.glob("checkpoint-*")):
        (folder / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(UserError, match="holds no model yet .*checkpoint-10 is damaged .*the final model is damaged"):
        Explored(str(run))


def test_a_link_holds_numbers_that_python_reads(explored):
    assert linked(titles([explored]), {"step": "9" * 5000, "who": "9" * 5000}) == ("finished", 20, "Individual", 0)


def test_who_was_taught_by_a_fine_tuning_is_told(trained, tmp_path):
    tuned = Explored(str(finetune(tmp_path / "tuned", trained, n_individuals_finetune=4, save_steps=6).path))
    first = tuned.source.population.groups["new"].start
    assert "Taught by this fine-tuning." in panels.individual(tuned, 12, first)
    assert "Kept for fine-tuning." in panels.individual(tuned, 12, first + 4)


def test_bits_that_are_lost_and_losses_far_above_the_baseline_are_shown():
    steps, values = np.array([0.0, 1.0]), np.array([-265.0, -75.0])
    chart = line_chart(Lines("learned bits", {"seen": (steps, values, values, values)}, None))
    assert chart["ticks"][0][1] == "-265"
    high = np.array([34.0, 12.0])
    chart = line_chart(Lines("attribute loss (nats)", {"seen": (steps, high, high, high)}, 3.3))
    assert float(chart["ticks"][-1][1]) > 12
