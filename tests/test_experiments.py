"""Sweeps as a user runs them: real runs, real signals."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from pretraining import same, weights

import experiments.__main__ as command
from command_line import UserError
from experiments import runner
from experiments.results import load_results

ROOT = Path(__file__).parents[1]


def experiment(folder, variants, **content):
    folder.mkdir(exist_ok=True)
    sweep = {
        "recipe": "recipes/nano.yaml", "output_dir": str(folder / "runs"), "seeds": [0], "variants": variants,
        "settings": {"max_steps": 20, "save_steps": 10},
    }  # fmt: skip
    (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep | content))
    return str(folder)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Two variants that run, and one that can't."""
    folder = tmp_path_factory.mktemp("sweep") / "mine"
    variants = {"a": {}, "broken": {"n_head": 5}, "b": {"schedule": "power_law", "grid": {"alpha": [1.0]}}}
    experiment(folder, variants)
    with pytest.raises(UserError, match="1 of 3 runs failed"):
        command.main(["run", str(folder), "--jobs", "2"])
    return folder


def test_results_of_finished_runs_are_kept(swept):
    results = load_results(swept)
    assert [result.name for result in results] == ["a-seed0", "b-alpha=1.0-seed0"]
    steps, losses = results[0].run.curve("seen_attribute_loss")
    assert steps.tolist() == [0, 10, 20]
    recorded = [json.loads(line) for line in (swept / "runs/a-seed0/metrics.jsonl").read_text().splitlines()]
    assert losses == pytest.approx([line["seen_attribute_loss"] for line in recorded], rel=1e-4)
    assert results[1].run.individuals["times_drawn"]


def test_nothing_of_this_machine_is_kept(swept):
    assert str(swept) not in (swept / "results" / "runs.jsonl").read_text()


def test_finished_runs_are_skipped_and_failed_ones_tried_again(swept, monkeypatch, capsys):
    started = []
    submit = runner.submit
    monkeypatch.setattr(runner, "submit", lambda *parts: started.append(parts[2].name) or submit(*parts))
    with pytest.raises(UserError, match="1 of 3 runs failed"):
        command.main(["run", str(swept)])
    assert started == ["broken-seed0"]
    assert "broken-seed0 failed: error: n_embd 32 cannot be divided among n_head 5 heads" in capsys.readouterr().out


def test_a_run_made_with_other_settings_is_not_touched(swept, tmp_path):
    folder = experiment(tmp_path / "other", {"a": {}}, output_dir=str(swept / "runs"), settings={"max_steps": 30})
    with pytest.raises(UserError, match=r"a-seed0 has max_steps 20, but the sweep says 30; delete"):
        command.main(["run", folder])


def test_a_dry_run_predicts_and_writes_nothing(swept, capsys):
    before = sorted(swept.rglob("*"))
    command.main(["run", experiment(swept, {"a": {}, "c": {}}), "--dry_run"])
    assert "1 of 2 runs to go, about" in capsys.readouterr().out
    assert sorted(swept.rglob("*")) == before


def test_a_sweep_that_is_ended_takes_its_runs_along(tmp_path):
    settings = {"max_steps": 3000, "save_steps": 10, "save_at": [15, 25], "eval_steps": 1000}
    folder = experiment(tmp_path / "cut", {"a": {}}, settings=settings)
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments", "run", folder], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    run = tmp_path / "cut" / "runs" / "a-seed0"
    wait_for(lambda: (run / "checkpoint-25").exists())
    process.send_signal(signal.SIGTERM)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 2
    assert error == "error: interrupted; the same command goes on with what was cut off\n"
    assert not processes_of(run)


def wait_for(condition, seconds=60):
    until = time.time() + seconds
    while not condition():
        assert time.time() < until
        time.sleep(0.1)


def processes_of(run):
    """Command lines of living processes that name a run."""
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if str(run) in line and not line.startswith("ps")]


def test_a_cut_off_run_is_resumed_to_the_same_end(swept, tmp_path):
    folder = tmp_path / "again"
    experiment(folder, {"a": {}})
    (folder / "runs").mkdir()
    source, target = swept / "runs" / "a-seed0", folder / "runs" / "a-seed0"
    subprocess.run(["cp", "-r", str(source), str(target)], check=True)
    os.remove(target / "model.safetensors")
    lines = (target / "metrics.jsonl").read_text().splitlines(keepends=True)
    (target / "metrics.jsonl").write_text("".join(lines[:-1]))
    subprocess.run(["rm", "-r", str(target / "checkpoint-20")], check=True)
    command.main(["run", str(folder), "--jobs", "2"])  # as many threads as before
    assert same(weights(source), weights(target))


def test_plot_calls_the_experiments_own(tmp_path, capsys):
    (tmp_path / "plot.py").write_text("def main(folder):\n    print('drawn', folder.name)\n")
    command.main(["plot", str(tmp_path)])
    assert capsys.readouterr().out == f"drawn {tmp_path.name}\n"
    with pytest.raises(UserError, match=r"has no plot\.py"):
        command.main(["plot", str(tmp_path / "nowhere")])
