"""Runs and stored results as runs of trackio."""

import json

import pytest

import sweeps.__main__
from command_line import UserError
from tests.helpers.runs import a_run, write


def tracked(project):
    from trackio import Api
    from trackio.sqlite_storage import SQLiteStorage

    return {
        run.name: (run.config, {line["step"]: line["seen_attribute_loss"] for line in
                                SQLiteStorage.get_logs(project, run.name)})
        for run in Api().runs(project)
    }  # fmt: skip


def experiment(folder):
    """With one stored result."""
    run = a_run("uniform", 1)
    columns = {key: [record[key] for record in run.records] for key in run.records[0]}
    line = {"name": "base-x=2-seed1", "variant": "base-x=2", "seed": 1, "settings": {}, "config": run.config}
    (folder / "results").mkdir(parents=True)
    (folder / "results" / "runs.jsonl").write_text(json.dumps(line | {"records": columns}) + "\n")
    return folder


def test_finished_runs_and_stored_results_are_there_once(tmp_path, capsys):
    run = write(a_run("mine", 0, learning_rate=0.1, output_dir="/home/me", environment={"torch": "2"}), tmp_path)
    words = ["to-trackio", run, str(experiment(tmp_path / "mine")), "--project", "imported"]
    sweeps.__main__.main(words)
    found = tracked("imported")
    assert found.keys() == {"mine-0", "base-x=2-seed1"}
    config, losses = found["mine-0"]
    assert losses == {0: 9.0, 100: 5.0, 200: 1.0}
    assert config["learning_rate"] == 0.1
    assert config["_Group"] == "mine"
    assert "/home/me" not in str(config)
    config, losses = found["base-x=2-seed1"]
    assert losses == {0: 9.0, 100: 5.0, 200: 1.0}
    assert config["_Group"] == "base-x=2"
    capsys.readouterr()
    sweeps.__main__.main(words)
    assert "imported has a run mine-0 already; left out" in capsys.readouterr().out
    assert tracked("imported") == found


def test_what_is_neither_is_named(tmp_path):
    with pytest.raises(UserError, match="is no run, and no experiment with results"):
        sweeps.__main__.main(["to-trackio", str(tmp_path)])
