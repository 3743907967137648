"""What runs cost is told from their operations, before any of them is there."""

import pytest
import yaml

import sweeps.__main__ as command
from command_line import UserError
from data_builder.schedules import Plan, build_schedule
from settings import PRETRAINING
from settings.data import DataSettings
from settings.read import parse_settings
from settings.schedule import ScheduleSettings
from settings.training import TrainingSettings
from sweeps.launch import run_command
from sweeps.price import _operations, makers, price
from sweeps.sweep import ROOT, load_sweep

PAPER = sorted(file.parent for file in (ROOT / "experiments" / "paper").glob("*/sweep.yaml"))
PRETRAININGS = [folder for folder in PAPER if folder.name not in ("patching", "finetuning", "rare")]
LISTS = (None, 16, None)


def write(folder, **content):
    folder.mkdir()
    (folder / "sweep.yaml").write_text(yaml.safe_dump({"seeds": [0], "recipe": "recipes/nano.yaml"} | content))
    return load_sweep(folder)


@pytest.fixture
def sweeps(tmp_path):
    """A pre-training, and what begins with it."""
    small = {"max_steps": 40, "per_device_train_batch_size": 8, "eval_steps": 10, "eval_individuals": 16}
    small |= {"entries_per_list": 16, "preset": "nano"}
    known = write(tmp_path / "known", output_dir="runs/known", settings=small)
    start = {"recipe": "recipes/patching_tiny.yaml", "script": "run_patching.py", "output_dir": "runs/patched"}
    patched = write(tmp_path / "patched", settings={"reference": "runs/known/base-seed{seed}"}, **start)
    start = {"recipe": "recipes/finetune_tiny.yaml", "script": "run_finetune.py", "output_dir": "runs/tuned"}
    tuned = write(tmp_path / "tuned", settings={"model": "./runs/known/base-seed{seed}"}, **start)
    return known, patched, tuned


def test_a_run_costs_its_steps_and_its_evaluations(sweeps):
    known, patched, tuned = ((sweep, sweep.runs[0], makers(sweep)) for sweep in sweeps)
    one = _operations("nano", None, None, None, LISTS)
    assert price(*known).training == pytest.approx(40 * 8 * one)
    assert price(*known).evaluation == pytest.approx(5 * 2 * 16 * one / 3)  # at 0, 10, ... 40; two groups; forward
    assert price(*patched).training == pytest.approx(40 * 8 * one * 4 / 3)  # the reference reads along
    assert price(*tuned).training == pytest.approx(300 * 32 * one)  # of its own recipe, with the other's model


def test_the_papers_default_run_costs_what_its_sizes_say():
    """8 layers of width 512, 5,760 tokens, biographies of about 80 (docs/SPEED.md): 28 PFLOP."""
    sweep = load_sweep(ROOT / "experiments" / "paper" / "population")
    (run,) = (run for run in sweep.runs if run.name == "reference-seed0")
    expected = 6 * (12 * 8 * 512**2 + 5760 * 512 + 8 * 512 * 80) * 16_000 * 128 * 80
    assert price(sweep, run, {}).training == pytest.approx(expected, rel=0.05)


def test_hours_are_told_for_each_sweep_and_for_all(sweeps, capsys):
    command.main(["price", *(str(sweep.folder) for sweep in sweeps), "--teraflops", "1e-6"])
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert header.endswith("hours at 1e-06 TFLOP/s |")
    hours = [float(row.split("|")[-2]) for row in rows]
    assert len(rows) == 4
    assert hours[3] == pytest.approx(sum(hours[:3]), abs=0.2)
    assert min(hours) > 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--teraflops", "0"], "teraflops is 0; it must be above 0"), ([], "begins with runs/known/base-seed0, which no")],
)
def test_what_can_not_be_told_is_refused_in_a_line(sweeps, arguments, said):
    (sweeps[0].folder / "sweep.yaml").unlink()
    with pytest.raises(UserError, match=said):
        command.main(["price", str(sweeps[1].folder), *arguments])


def test_a_sweep_that_was_never_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="sweep.yaml"):
        command.main(["price", str(tmp_path)])


@pytest.mark.parametrize("folder", PRETRAININGS, ids=lambda path: path.name)
def test_every_world_of_the_papers_grid_is_possible(folder):
    """Of one seed: settings that are understood, and a schedule that can be drawn from so many people."""
    sweep = load_sweep(folder)
    for run in [run for run in sweep.runs if run.seed == 0]:
        recipe, *options = run_command(sweep, run, run.directory, None)[2:]
        parsed = {type(one): one for one in parse_settings(PRETRAINING, [str(ROOT / recipe), *options], "")}
        training, data = parsed[TrainingSettings], parsed[DataSettings]
        training.check()
        plan = Plan(
            range(data.n_individuals), parsed[ScheduleSettings], training.max_steps, training.batch_size(1), 6.8
        )
        build_schedule(plan)


@pytest.mark.parametrize(
    "folder", [folder for folder in PAPER if folder not in PRETRAININGS], ids=lambda path: path.name
)
def test_every_run_of_the_grid_that_begins_with_another_finds_it(folder):
    sweep = load_sweep(folder)
    made_by = makers(sweep)
    assert all((run.settings.get("model") or run.settings["reference"]) in made_by for run in sweep.runs)
