"""What a sweep means, and what is refused, without running anything."""

import contextlib
import json
import os
import re
from types import SimpleNamespace

import pytest
import yaml

import sweeps.__main__ as command
from command_line import UserError
from run_directory.records import Run
from sweeps import launch, runner
from sweeps.claims import read_findings
from sweeps.collect import check_results, collect_results
from sweeps.directories import Progress, check_directories
from sweeps.display import Lines, status_table
from sweeps.launch import build_executor, run_command
from sweeps.results import load_results, read_lines
from sweeps.runner import Status
from sweeps.sweep import load_sweep
from sweeps.timing import seconds_left
from tests.helpers.pretraining import ROOT

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
    assert [run.name for run in sweep(tmp_path).runs] == ["base-seed0", "base-seed1"]
    odd = sweep(tmp_path, variants={"a/b": {}}, grid={"save_at": [[2, 4]], "dataset": ["runs/x"]}).runs[0]
    assert odd.name == "a_b-dataset=runs_x-save_at=2+4-seed0"
    assert odd.settings == {"save_at": [2, 4], "dataset": "runs/x"}
    mine = sweep(tmp_path, settings={"save_at": [2, 4]}, seeds=[7])
    words = " ".join(run_command(mine, mine.runs[0], "runs/y", threads=2)[1:])
    settings = "--num_threads 2 --draw_figures False --save_at 2 4 --seed 7 --output_dir runs/y"
    assert words == f"run_pretrain.py recipes/nano.yaml {settings}"
    asked = sweep(tmp_path, settings={"draw_figures": True})
    assert "--draw_figures True" in " ".join(run_command(asked, asked.runs[0], "runs/y", threads=None))


def test_a_grid_of_too_many_points_is_one_line(tmp_path):
    values = list(range(1000))
    with pytest.raises(UserError, match="a grid of 1,000,000,000 points; there can be 10,000"):
        sweep(tmp_path, grid={"alpha": values, "max_steps": values, "learning_rate": values})


@pytest.mark.parametrize("line", ["<<<<<<< HEAD", '{"name": "a"', "[1]", "{}", "[" * 100_000])
def test_damaged_results_and_claims_are_one_line(tmp_path, line):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "runs.jsonl").write_text(f"{line}\n")
    with pytest.raises(UserError, match=r"runs\.jsonl, line 1: no result of a run; restore the file"):
        load_results(tmp_path)
    (tmp_path / "results" / "claims.json").write_text(line if line != "{}" else '[{"id": 1}]')
    with pytest.raises(UserError, match="holds no claims; write it again"):
        read_findings(tmp_path)


def test_grids_are_products_and_a_variants_own_replaces_the_shared_one(tmp_path):
    variants = {"a": {}, "b": {"grid": {"x": [9], "z": [0]}}}
    runs = sweep(tmp_path, variants=variants, grid={"x": [1, 2], "y": [3, 4]}, seeds=[5]).runs
    points = ["a-x=1-y=3", "a-x=1-y=4", "a-x=2-y=3", "a-x=2-y=4", "b-x=9-y=3-z=0", "b-x=9-y=4-z=0"]
    assert [run.variant for run in runs] == points
    assert runs[-1].settings == {"x": 9, "y": 4, "z": 0}
    shared = {"x": 1, "y": 1, "model": "runs/before-seed{seed}"}  # later settings win, and the seed is filled in
    run = sweep(tmp_path, settings=shared, variants={"a": {"y": 2, "z": 2, "grid": {"z": [3]}}}).runs[1]
    assert run.settings == {"x": 1, "y": 2, "z": 3, "model": "runs/before-seed1"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"varians": {}}, "unknown key 'varians' in .*; the nearest known one is 'variants'"),
        ({"keep": "seen_*"}, "keep is not a list of patterns"),
        ({"recipe": None}, "has no recipe"),
        ({"seeds": []}, "has no seeds"),
        ({"recipe": "recipes/nothing.yaml"}, "there is no recipes/nothing.yaml"),
        ({"recipe": 3}, "recipe is not a path"),
        ({"output_dir": ["a"]}, "output_dir is not a path"),
        ({"script": "run_pretrian.py"}, "there is no run_pretrian.py"),
        ({"seeds": 3}, "seeds is not a list of numbers"),
        ({"seeds": [0, "1"]}, "seeds is not a list of numbers"),
        ({"seeds": [True]}, "seeds is not a list of numbers"),
        ({"seeds": [1, 1]}, "2 runs are called base-seed1"),
        ({"variants": {1: {}, "1": {}}}, "2 runs are called 1-seed0"),
        ({"grid": {"alpha": [1, 2, 1]}}, "2 runs are called base-alpha=1-seed0"),
        ({"settings": {"seed": 3}}, "seed is not for settings"),
        ({"variants": {"a": {"output_dir": "b"}}}, "output_dir is not for settings"),
        ({"grid": {"resume_from_checkpoint": ["latest"]}}, "resume_from_checkpoint is not for settings"),
        ({"settings": {"alpha": None}}, "setting alpha has no value"),
        ({"settings": {"grid": {"alpha": [1]}}}, "setting grid has no value"),
        ({"grid": {"alpha": 3}}, "grid needs a list of values for alpha"),
        ({"variants": {"a": {"grid": {"alpha": []}}}}, "grid needs a list of values for alpha"),
        ({"variants": {"a": 3}}, "variant a is not a list of `key: value` lines"),
        ({"variants": ["a"]}, "variants is not a list of `key: value` lines"),
    ],
)
def test_a_sweep_that_means_nothing_is_one_line(tmp_path, content, message):
    with pytest.raises(UserError, match=message) as error:
        sweep(tmp_path, **content)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"", b"- a", b"recipe: [", b"recipe: \xff"])
def test_a_file_that_is_no_sweep_is_one_line(tmp_path, content):
    (tmp_path / "sweep.yaml").write_bytes(content) if content is not None else None
    with pytest.raises(UserError, match=r"sweep\.yaml") as error:
        load_sweep(tmp_path)
    assert "\n" not in str(error.value)


def test_the_documented_sweep_means_what_it_says(tmp_path):
    page = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(recipe: .*?)```", page, re.DOTALL)
    (tmp_path / "sweep.yaml").write_text(example)
    documented = load_sweep(tmp_path)
    rates = [f"adamw-n_individuals={n}-learning_rate={rate}" for n in (512, 1024) for rate in (0.001, 0.002)]
    variants = [*rates, "muon-n_individuals=512", "muon-n_individuals=1024"]
    assert [run.name for run in documented.runs] == [f"{v}-seed{seed}" for seed in (0, 1, 2) for v in variants]
    assert documented.runs[0].directory.as_posix() == f"runs/mine/{documented.runs[0].name}"
    without_script = yaml.safe_load(example)
    assert documented.script == without_script.pop("script")
    assert sweep(tmp_path, **without_script).script == documented.script


@pytest.mark.parametrize(
    ("value", "saved", "is_same"),
    [
        (10, [10], True), ([2, 4], [2, 4], True), ([2, 4], [4, 2], False), (10, [10, 20], False),
        ("3e-3", 0.003, True), (0.5, "0.50", True),
        (1, 1.0, True), ("muon", "muon", True), ("muon", "adamw", False), (False, True, False), (1, None, False),
    ],
)  # fmt: skip
def test_settings_are_compared_as_the_script_reads_them(tmp_path, value, saved, is_same):
    mine = sweep(tmp_path, output_dir=str(tmp_path / "runs"), settings={"key": value}, seeds=[0])
    (tmp_path / "runs" / "base-seed0").mkdir(parents=True)
    (tmp_path / "runs" / "base-seed0" / "config.yaml").write_text(
        yaml.safe_dump({"seed": 0, "key": saved, "environment": {}})
    )
    with (
        contextlib.nullcontext()
        if is_same
        else pytest.raises(UserError, match="base-seed0 has key .*, but the sweep says .*; delete")
    ):
        check_directories(mine)


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


def test_options_of_the_cluster_are_numbers_or_texts(tmp_path):
    assert command._options(["gpus_per_node=2", "slurm_comment=a=b"]) == {"gpus_per_node": 2, "slurm_comment": "a=b"}
    with pytest.raises(UserError, match="--cluster_options: gpu is not key=value"):
        command.main(["run", str(sweep(tmp_path).folder), "--cluster_options", "gpu"])
    with pytest.raises(UserError, match="jobs is 0; it must be at least 1"):
        command.main(["run", str(tmp_path), "--jobs", "0"])


def test_a_run_that_failed_is_quoted_by_its_last_line_or_error():
    said = ("Traceback\n 0%\r 10%\rKilled\n\n", "error: too many\nrun_pretrain.py FAILED\n========\n", None)
    quoted = [launch.last_error(SimpleNamespace(stderr=lambda text=text: text)) for text in said]
    assert quoted == ["Killed", "error: too many", "it left no message"]


def test_time_left_is_that_of_alike_runs(tmp_path):
    runs = sweep(tmp_path, grid={"n_layer": [1, 2]}, seeds=[0, 1]).runs
    stands = [Progress(100, 100, 60.0), Progress(50, 100, 50.0), Progress(), Progress()]
    left = seconds_left(dict(zip(runs, stands, strict=True)), jobs=1)
    assert left == pytest.approx(0 + 50 + 60 + 100)
    assert seconds_left(dict(zip(runs, stands, strict=True)), jobs=2) == pytest.approx(105)
    assert seconds_left(dict(zip(runs, stands, strict=True)), jobs=3) == pytest.approx(100)  # the longest decides
    assert seconds_left(dict.fromkeys(runs, Progress()), jobs=1) is None
    assert seconds_left(dict.fromkeys(runs, stands[0]), jobs=1) == 0


def test_a_run_is_read_again_only_once_it_has_recorded_something(tmp_path, monkeypatch):
    """Reading all of it at each look took a sixth of a core from the runs."""
    looks, run = [], SimpleNamespace(path=tmp_path)
    monkeypatch.setattr(runner, "read_progress", lambda path: looks.append(path) or Progress(len(looks)))
    status = Status(run, "running", SimpleNamespace(done=lambda: False))
    status.update()
    assert status.progress.step == 0  # nothing there yet
    for step in (1, 1, 2):
        (tmp_path / "metrics.jsonl").write_text("line\n" * step)
        os.utime(tmp_path / "metrics.jsonl", (step, step))
        status.update()
    assert (len(looks), status.progress.step) == (2, 2)


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
    from sweeps import collect

    mine = sweep(tmp_path, output_dir=str(tmp_path / "runs"), seeds=[0])
    record = {"step": 1, "seen_attribute_loss": 1.234567, "seen_attribute_loss_major": 1.0}
    config = {"seed": 0, "output_dir": "/home/me", "environment": {"torch": "2", "command": "/home/me/run"}}
    run = Run(
        tmp_path,
        config,
        [record, {"step": 2, "train_attribute_loss": 3.0}, {"step": 3, "seen_attribute_loss": 1.0, "opened_at": 2}],
        {"times_drawn": [1], "attribute_accuracy": [0.5], "individual": [3]},
        {"detectors": {"entropy": 0.5}},
        [{"share": 0.5, "new_attribute_loss": 1.234567, "new_attribute_loss_major": 1.0}],
    )
    monkeypatch.setattr(collect, "load_run", lambda path: run)
    monkeypatch.setattr(collect, "is_finished", lambda path: True)
    collect.collect_results(mine)
    (line,) = collect.read_lines(tmp_path)
    assert line["individuals"] == {"times_drawn": [1], "attribute_accuracy": [0.5]}
    assert line["records"] == {"step": [1, 3], "seen_attribute_loss": [1.2346, 1.0], "opened_at": [None, 2]}
    assert line["interpolation"] == [{"share": 0.5, "new_attribute_loss": 1.2346}]
    (result,) = load_results(tmp_path)
    assert result.run.curve("seen_attribute_loss")[1].tolist() == [1.2346, 1.0]
    assert result.run.curve("opened_at")[0].tolist() == [3]
    assert result.run.hallucination == {"detectors": {"entropy": 0.5}}
    assert line["config"] == {"seed": 0, "environment": {"torch": "2"}}
    collect.collect_results(sweep(tmp_path, output_dir=str(tmp_path / "runs"), seeds=[0], keep=["opened_*", "indiv*"]))
    (less,) = collect.read_lines(tmp_path)
    assert less["records"] == {"step": [1, 3], "opened_at": [None, 2]}
    assert (less["individuals"], less["hallucination"]) == (line["individuals"], None)


def test_results_leave_only_when_asked_to(tmp_path, monkeypatch, capsys):
    """A variant of one's own beside stored ones: theirs stay, and none of them is trained."""
    lines = [stored("uniform", 0), stored("uniform", 1), stored("b", 0)]
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    by_name = sorted(lines, key=lambda line: line["name"])
    mine = sweep(tmp_path, output_dir=str(tmp_path / "runs"), variants={"uniform": {}, "mine": {"alpha": 1.0}})
    command.main(["run", str(tmp_path), "--dry_run", "--only", "uniform-*"])
    assert "stored     uniform-seed1\n0 of 2 runs to go; their results are stored" in capsys.readouterr().out
    collect_results(mine)
    assert read_lines(tmp_path) == by_name
    monkeypatch.setattr(runner, "submit", refuse)
    for rerun, first in ((["--rerun", "--only", "uniform-*"], "uniform-seed0"), ([], "mine-seed0")):
        with pytest.raises(UserError, match=f"^{first} would start$"):
            command.main(["run", str(tmp_path), *rerun])
    with pytest.raises(UserError, match=r"no run is called mien; there is mine-seed0, uniform-seed0, "):
        command.main(["run", str(tmp_path), "--only", "mien"])
    sweep(tmp_path, output_dir=str(tmp_path / "runs"), variants={"uniform": {"alpha": 1.0}})
    with pytest.raises(UserError, match=r"has uniform-seed0 with other settings; rename the variant, or drop"):
        command.main(["run", str(tmp_path)])
    assert read_lines(tmp_path) == by_name
    command.main(["drop", str(tmp_path), "uniform-*"])
    assert capsys.readouterr().out.endswith("dropped uniform-seed0, uniform-seed1\n")
    assert read_lines(tmp_path) == [lines[2]]
    with pytest.raises(UserError, match="no run is called uniform-seed0; there is b-seed0"):
        command.main(["drop", str(tmp_path), "uniform-seed0"])


def test_what_is_stored_by_a_former_name_of_a_setting_is_that_setting(tmp_path):
    (tmp_path / "results").mkdir()
    line = stored("base", 0) | {"settings": {"text_weight": 0.5}}
    (tmp_path / "results" / "runs.jsonl").write_text(json.dumps(line) + "\n")
    check_results(sweep(tmp_path, settings={"template_weight": 0.5}))
    with pytest.raises(UserError, match="with other settings"):
        check_results(sweep(tmp_path, settings={"template_weight": 0.25}))


def stored(variant, seed):
    name = f"{variant}-seed{seed}"
    return {"name": name, "variant": variant, "seed": seed, "settings": {}, "config": {"seed": seed}, "records": {}}


def refuse(executor, sweep, run, jobs):
    raise UserError(f"{run.name} would start")
