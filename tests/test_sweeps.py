"""What a sweep means, and what is refused, without running anything."""

import pytest
import yaml

from analysis.runs import Run
from command_line import UserError
from experiments import launch
from experiments.directories import Progress, check_directories
from experiments.display import Lines, status_table
from experiments.launch import build_executor, run_command
from experiments.runner import Status
from experiments.sweep import load_sweep
from experiments.timing import seconds_left

GOOD = {"recipe": "recipes/nano.yaml", "output_dir": "runs/x", "seeds": [0, 1]}


def sweep(folder, **content):
    content = {key: value for key, value in (GOOD | content).items() if value is not None}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(content))
    return load_sweep(folder)


def test_a_whole_seed_comes_before_the_next(tmp_path):
    runs = sweep(tmp_path, variants={"a": {}, "b": {"alpha": 1}}).runs
    assert [run.name for run in runs] == ["a-seed0", "b-seed0", "a-seed1", "b-seed1"]
    assert [run.seed for run in runs] == [0, 0, 1, 1]
    assert runs[1].settings == {"alpha": 1}
    assert runs[0].directory.as_posix() == "runs/x/a-seed0"


def test_without_variants_there_is_one(tmp_path):
    assert [run.name for run in sweep(tmp_path).runs] == ["base-seed0", "base-seed1"]


def test_grids_are_products_and_a_variants_own_replaces_the_shared_one(tmp_path):
    variants = {"a": {}, "b": {"grid": {"x": [9], "z": [0]}}}
    runs = sweep(tmp_path, variants=variants, grid={"x": [1, 2], "y": [3, 4]}, seeds=[5]).runs
    points = ["a-x=1-y=3", "a-x=1-y=4", "a-x=2-y=3", "a-x=2-y=4", "b-x=9-y=3-z=0", "b-x=9-y=4-z=0"]
    assert [run.variant for run in runs] == points
    assert runs[-1].settings == {"x": 9, "y": 4, "z": 0}


def test_later_settings_win_and_the_seed_is_filled_in(tmp_path):
    shared = {"x": 1, "y": 1, "model": "runs/before-seed{seed}"}
    run = sweep(tmp_path, settings=shared, variants={"a": {"y": 2, "z": 2, "grid": {"z": [3]}}}).runs[1]
    assert run.settings == {"x": 1, "y": 2, "z": 3, "model": "runs/before-seed1"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"varians": {}}, "unknown key 'varians' in .*; the nearest known one is 'variants'"),
        ({"recipe": None}, "has no recipe"),
        ({"recipe": "recipes/nothing.yaml"}, "there is no recipes/nothing.yaml"),
        ({"seeds": 3}, "seeds is not a list of numbers"),
        ({"seeds": [1, 1]}, "2 runs are called base-seed1"),
        ({"settings": {"seed": 3}}, "seed is not for settings"),
        ({"settings": {"alpha": None}}, "setting alpha has no value"),
        ({"grid": {"alpha": 3}}, "grid needs a list of values for alpha"),
        ({"variants": ["a"]}, "variants is not a list of `key: value` lines"),
    ],
)
def test_a_sweep_that_means_nothing_is_one_line(tmp_path, content, message):
    with pytest.raises(UserError, match=message) as error:
        sweep(tmp_path, **content)
    assert "\n" not in str(error.value)


def test_a_directory_of_another_run_is_refused(tmp_path):
    mine = sweep(tmp_path, output_dir=str(tmp_path / "runs"), settings={"alpha": 0.5})
    run = tmp_path / "runs" / "base-seed1"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("{seed: 1, alpha: 0.50}")
    check_directories(mine)
    (run / "config.yaml").write_text("{seed: 1, alpha: 0.6}")
    with pytest.raises(UserError, match=r"has alpha 0.6, but the sweep says 0.5"):
        check_directories(mine)


def test_a_command_holds_all_settings(tmp_path):
    mine = sweep(tmp_path, settings={"save_at": [2, 4]}, seeds=[7])
    words = run_command(mine, mine.runs[0], "runs/y", threads=2)[1:]
    assert words[:2] == ["run_pretrain.py", "recipes/nano.yaml"]
    assert words[2:] == ["--num_threads", "2", "--save_at", "2", "4", "--seed", "7", "--output_dir", "runs/y"]


def test_slurm_is_asked_for_where_there_is_some(tmp_path, monkeypatch):
    mine = sweep(tmp_path, output_dir=str(tmp_path / "runs"))
    with pytest.raises(UserError, match="no SLURM here: sbatch is not found"):
        build_executor(mine, "slurm", {})
    monkeypatch.setattr(launch.shutil, "which", lambda program: f"/usr/bin/{program}")
    executor = build_executor(mine, "slurm", {"slurm_partition": "gpu", "gpus_per_node": 1})
    assert executor.parameters["partition"] == "gpu"
    assert executor.parameters["time"] == 24 * 60
    with pytest.raises(UserError, match="--cluster_options"):
        build_executor(mine, "slurm", {"slurm_partitoin": "gpu"})


def test_time_left_is_that_of_alike_runs(tmp_path):
    runs = sweep(tmp_path, grid={"n_layer": [1, 2]}, seeds=[0, 1]).runs
    stands = [Progress(100, 100, 60.0), Progress(50, 100, 50.0), Progress(), Progress()]
    left = seconds_left(dict(zip(runs, stands, strict=True)), jobs=1)
    assert left == pytest.approx(0 + 50 + 60 + 100)
    assert seconds_left(dict(zip(runs, stands, strict=True)), jobs=2) == pytest.approx(105)
    assert seconds_left(dict.fromkeys(runs, Progress()), jobs=1) is None


def test_the_display_tells_how_each_run_goes(tmp_path, capsys):
    run = sweep(tmp_path).runs[0]
    status = Status(run, "running", None, Progress(50, 100, 30.0, 4.25, 0.125))
    lines = Lines()
    lines.show([status], 90.0)
    lines.show([status], 80.0)
    said = "base-seed0 running: step 50/100, attribute loss 4.250, accuracy 12.5%; time left about 1 min 30 s\n"
    assert capsys.readouterr().out == said
    table = status_table([status, Status(run)], 90.0)
    cells = [next(column.cells) for column in table.columns]
    assert cells == ["base-seed0", "running", "50/100", "4.250", "12.5%", "about 30 s"]
    assert [list(column.cells)[1] for column in table.columns] == ["base-seed0", "waiting", "–", "", "", ""]


def test_results_keep_what_figures_need(tmp_path, monkeypatch):
    from experiments import collect

    mine = sweep(tmp_path, output_dir=str(tmp_path / "runs"), seeds=[0])
    record = {"step": 1, "seen_attribute_loss": 1.234567, "seen_attribute_loss_major": 1.0}
    config = {"seed": 0, "output_dir": "/home/me", "environment": {"torch": "2", "command": "/home/me/run"}}
    run = Run(
        tmp_path,
        config,
        [record, {"step": 2, "train_attribute_loss": 3.0}],
        {"times_drawn": [1], "attribute_accuracy": [0.5], "individual": [3]},
    )
    monkeypatch.setattr(collect, "load_run", lambda path: run)
    monkeypatch.setattr(collect, "is_finished", lambda path: True)
    collect.collect_results(mine)
    (line,) = collect.read_lines(tmp_path)
    assert line["individuals"] == {"times_drawn": [1], "attribute_accuracy": [0.5]}
    assert line["records"] == [{"step": 1, "seen_attribute_loss": 1.2346}]
    assert line["config"] == {"seed": 0, "environment": {"torch": "2"}}
    monkeypatch.setattr(collect, "is_finished", lambda path: False)
    collect.collect_results(mine)
    assert collect.read_lines(tmp_path) == [line]  # its directory may be on another machine
    collect.collect_results(sweep(tmp_path, output_dir=str(tmp_path / "runs"), seeds=[0], settings={"alpha": 1}))
    assert collect.read_lines(tmp_path) == []
