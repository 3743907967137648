"""`python -m evaluation probe | trace | knockout`, as a user calls it: reports, figures, and what cannot be done."""

import json
import shutil

import numpy as np
import pytest

import analysis.mechanism
import evaluation.__main__ as door
from command_line import UserError
from evaluation import instruments, mechanism
from evaluation.instruments import INSTRUMENTS
from evaluation.prompts import POSITIONS
from run_directory.layout import LOOKED_INTO
from tests.helpers.hub_toys import Client
from tests.helpers.pretraining import pretrain

SMALL = {"probe": ["--individuals", "16"], "trace": ["--individuals", "4"], "knockout": ["--individuals", "4"]}
SMALL["gradients"] = SMALL["knockout"]
FILES = {"probe": "probing", "trace": "tracing", "knockout": "knockout", "gradients": "gradients"}


@pytest.fixture
def undrawn(monkeypatch):
    """Figures take longer than all else."""
    monkeypatch.setattr(analysis.mechanism, "draw_report", lambda name, folder, report: None)


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "mine")


def look(command, place, *options):
    door.main([command, str(place), *SMALL[command], *map(str, options)])
    return None


def report(folder, command):
    return json.loads((folder / f"{FILES[command]}.json").read_text())


def test_commands_and_reports_are_known_everywhere():
    assert [*INSTRUMENTS] == [*door._COMMANDS] == [*FILES]
    assert [name for _, name in INSTRUMENTS.values()] == [*LOOKED_INTO] == [*FILES.values()]


@pytest.mark.parametrize("command", [*FILES])
def test_all_checkpoints_of_a_run_are_measured_once_and_drawn(run, command, monkeypatch, capsys):
    look(command, run, "--steps", "10")
    first = report(run, command)
    assert [*first["steps"]] == ["10"]
    figures = run / "figures"
    assert not (figures / f"{FILES[command]}.png").exists()
    loaded = []
    load = mechanism.FoundModel.load
    monkeypatch.setattr(mechanism.FoundModel, "load", lambda self: loaded.append(self.path.name) or load(self))
    look(command, run)
    both = report(run, command)
    assert [*both["steps"]] == ["10", "20"]
    assert both["steps"]["10"] == first["steps"]["10"]
    assert both["steps"]["20"] != first["steps"]["10"]
    assert loaded == ["checkpoint-10", "checkpoint-20"]  # the first one, to see what it is; the one that is missing
    for name in (FILES[command], f"{FILES[command]}_20"):
        assert 0 < (figures / f"{name}.png").stat().st_size < 200_000
    said = capsys.readouterr().out
    assert f"report: {run / FILES[command]}.json" in said
    assert f"figures: {figures}" in said


@pytest.mark.usefixtures("undrawn")
def test_reports_say_what_stands_along_their_axes(run):
    for command, key in (("probe", "accuracy"), ("gradients", "norms"), ("trace", "effects"), ("knockout", "effects")):
        look(command, run / "checkpoint-10")
        found = report(run, command)
        shape = np.array(found["steps"]["10"][key], dtype=float).shape
        assert shape == tuple(len(axis) for axis in found["axes"].values())
        assert len(found["steps"]["10"]["weights"]) == 64
    assert found["settings"] == {"group": "seen", "individuals": 4, "window": 1}
    assert report(run, "probe")["axes"]["position"] == [*POSITIONS]


@pytest.mark.usefixtures("undrawn")
def test_a_model_that_was_trained_again_is_measured_again(run):
    look("knockout", run / "checkpoint-10")
    before = report(run, "knockout")
    for file in ("model.safetensors", "manifest.json"):
        shutil.copy(run / "checkpoint-20" / file, run / "checkpoint-10" / file)
    (run / "checkpoint-10" / "manifest.json").unlink()
    look("knockout", run / "checkpoint-10")
    assert report(run, "knockout")["steps"]["10"] != before["steps"]["10"]


def test_one_individual_some_layers_and_places_elsewhere(run, tmp_path, capsys):
    elsewhere = tmp_path / "elsewhere"
    options = ("--individual", "3", "--layers", "1", "--components", "residual", "--positions", "name", "last_name")
    door.main(["trace", str(run / "checkpoint-10"), *options, "--output_dir", str(elsewhere)])
    found = report(elsewhere, "trace")
    assert found["settings"] == {"individual": [3], "window": 1}
    assert found["axes"] == {"effect": ["restored", "cut"], "site": ["residual 1"], "position": ["name", "last_name"]}
    assert (elsewhere / "tracing_10.png").exists()
    assert not (run / "tracing.json").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_report_of_something_else_is_kept(run):
    look("knockout", run / "checkpoint-10")
    with pytest.raises(UserError, match="knockout.json was measured with window 1, now it is 2; name another folder"):
        look("knockout", run, "--window", "2")
    (run / "knockout.json").write_text("{")
    with pytest.raises(UserError, match=r"knockout.json is damaged .*; delete it, and measure again"):
        look("knockout", run)


@pytest.mark.parametrize(
    ("command", "options", "line"),
    [
        ("trace", ["--layers", "7"], "layer is 7; it must be from 0 to 2"),
        ("knockout", ["--layers", "0"], "layer is 0; it must be from 1 to 2"),
        ("trace", ["--positions", "lastname"], "unknown position 'lastname'; the nearest known one is 'last_name'"),
        ("trace", ["--components", "mlp"], "unknown component 'mlp'; there is residual, attention, feed_forward"),
        ("knockout", ["--cuts", "value:name"], "unknown position 'value' in the cut value:name; there is name, "),
        ("trace", ["--individual", "5000"], "individual is 5000; it must be from 0 to 95"),
        ("knockout", ["--individual", "-1"], "individual is -1; it must be from 0 to 95"),
        ("probe", ["--group", "new"], "there is nobody in group 'new'; there is seen, unseen"),
        ("probe", ["--individuals", "3"], "3 individuals are too few for probes"),
        ("knockout", ["--individuals", "0"], "individuals is 0; it must be at least 1"),
        ("trace", ["--window", "0"], "window is 0; it must be at least 1"),
        ("trace", ["--steps", "15"], "was not saved at step 15; the steps at which it was: 10, 20"),
        ("probe", ["--cuts", "before_value:name"], "--cuts is for knockout; leave it out"),
        ("probe", ["--people", "3"], "--people is for asking without a command; leave it out"),
    ],
)
def test_what_does_not_exist_is_one_line(finished, command, options, line):
    with pytest.raises(UserError, match=line):
        door.main([command, str(finished), *options])
    assert not [name for name in LOOKED_INTO if (finished / f"{name}.json").exists()]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["probe"], "name one run, after one of probe, trace, knockout, gradients or alone, not: probe"),
        (["runs/a", "runs/b"], "name one run, after one of .* or alone, not: runs/a runs/b"),
        (["trace", "nowhere/at/all"], "nowhere/at/all is no directory and cannot be fetched from the Hub"),
        (["runs/a", "--steps", "3"], "--steps is for probe, trace, knockout, gradients; leave it out"),
    ],
)
def test_a_command_without_a_run_is_one_line(words, line):
    with pytest.raises(UserError, match=line):
        door.main(words)


def test_checkpoints_that_lack_what_is_needed_are_one_line(run, tmp_path):
    alone = shutil.copytree(run / "checkpoint-10", tmp_path / "checkpoint-10")
    with pytest.raises(UserError, match=r"comes without the people it was trained on \(no dataset/\)"):
        door.main(["probe", str(alone)])
    with pytest.raises(UserError, match="has no checkpoint-15; the checkpoints in it: checkpoint-10, checkpoint-20"):
        door.main(["probe", str(run / "checkpoint-15")])
    with pytest.raises(UserError, match="is one checkpoint; leave out --steps"):
        door.main(["probe", str(run / "checkpoint-10"), "--steps", "10"])
    renamed = shutil.copytree(run / "checkpoint-10", run / "checkpoint-best")
    with pytest.raises(UserError, match="does not say its step; name a checkpoint like checkpoint-500"):
        door.main(["probe", str(renamed)])
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(f"reference_patching: 10\n{config}")
    with pytest.raises(UserError, match="was trained with the attention of another model, which is not saved in it"):
        door.main(["probe", str(run)])


@pytest.mark.usefixtures("undrawn")
def test_a_model_without_attention_is_probed_and_traced_but_has_none_to_cut(tmp_path):
    run = pretrain(tmp_path / "hawk", "--preset", "hawk-nano", "--max_steps", 2, "--save_steps", 2).path
    look("probe", run)
    look("gradients", run)
    look("trace", run)
    assert {site.split()[0] for site in report(run, "trace")["axes"]["site"]} == {"residual", "feed_forward"}
    for command, options in (("knockout", []), ("trace", ["--components", "attention"])):
        with pytest.raises(UserError, match="RecurrentGemmaForCausalLM has no attention to record or to patch; these"):
            door.main([command, str(run), *options])


@pytest.mark.usefixtures("undrawn")
def test_the_revisions_of_a_hub_repository_are_looked_into(run, hub, tmp_path):
    look("gradients", run)
    client, elsewhere = Client(hub, tmp_path / "home"), tmp_path / "elsewhere"
    client.hub_cards("publish", run, "--repo", "me/facts")
    words = ("gradients", "me/facts", *SMALL["gradients"])
    assert (
        "me/facts is on the Hub; say where its report is to be written" in client.call(door.main, *words, code=2).stderr
    )
    client.call(door.main, *words, "--output_dir", elsewhere)
    assert report(elsewhere, "gradients") == report(run, "gradients")
    again = client.call(door.main, *words, "--steps", "15", "--output_dir", elsewhere, code=2).stderr
    assert "me/facts was not saved at step 15; the steps at which it was: 10, 20" in again


def test_numbers_are_rounded_and_what_is_not_there_is_null():
    assert mechanism._plain(np.array([[1 / 3, np.nan]])) == [[0.33333, None]]
    assert instruments.Asked(layers=[1]).layers_of([range(1)], lambda window: window[0] + 1) == [range(1)]
