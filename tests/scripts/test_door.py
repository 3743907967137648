"""What every command does with a terminal, a home directory and a file system that refuses."""

import errno
import os
import shutil
import subprocess
import sys

import pytest
from safetensors import SafetensorError

import command_line
from tests.helpers.pretraining import ROOT, TIMES, pretrain, records, same, weights
from training import checkpoints

FULL = "; make room and start again: a run goes on with --resume_from_checkpoint latest"


def at_the_door(monkeypatch, main, *argv):
    monkeypatch.setattr(sys, "argv", ["script", *argv])
    with pytest.raises(SystemExit) as end:
        command_line.run(main)
    return end.value.code


@pytest.mark.parametrize(
    ("number", "file", "line"),
    [
        (errno.ENOSPC, "runs/mine/x", f"error: No space left on device: runs/mine/x{FULL}\n"),
        (errno.ENOSPC, None, f"error: No space left on device{FULL}\n"),
        (errno.EROFS, "runs", "error: Read-only file system: runs\n"),
        (errno.EACCES, "runs", "error: Permission denied: runs\n"),
        (errno.EISDIR, "runs", "error: Is a directory: runs\n"),
        (errno.ENAMETOOLONG, "runs", "error: File name too long: runs\n"),
    ],
)
def test_what_the_file_system_refuses_is_one_line(monkeypatch, capsys, number, file, line):
    def main(argv):
        raise OSError(number, os.strerror(number), file)

    assert at_the_door(monkeypatch, main) == 2
    assert capsys.readouterr().err == line


def test_an_error_that_is_not_the_systems_is_told_whole(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["script"])
    with pytest.raises(OSError, match="of some library"):
        command_line.run(lambda argv: (_ for _ in ()).throw(OSError("of some library")))


def test_the_home_directory_is_meant_by_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    given = ["~/a.yaml", "--output_dir=~/runs", "--output_dir", "~", "--name=a~b", "a~", "--x=y=~/z"]
    monkeypatch.setattr(sys, "argv", ["script", *given])
    seen = []
    command_line.run(seen.extend)
    assert seen == [f"{tmp_path}/a.yaml", f"--output_dir={tmp_path}/runs", "--output_dir", str(tmp_path), *given[4:]]


def test_a_terminal_without_a_letter_shows_its_number():
    code = "from command_line import run; run(lambda argv: print('Jos\\xe9 \\u0905'))"
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "Jos\\xe9 \\u0905\n"


@pytest.mark.parametrize("name", ["optimizers.safetensors", "model.safetensors"])
def test_after_a_full_disk_a_run_goes_on_bit_for_bit(finished, tmp_path, monkeypatch, name):
    def full(*arguments, **_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    run = tmp_path / "run"
    if name.startswith("model"):
        monkeypatch.setattr("transformers.modeling_utils.safe_save_file", full)
    else:
        monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        pretrain(run)
    assert error.value.errno == errno.ENOSPC
    assert not list(run.glob(".*.tmp"))
    monkeypatch.undo()
    pretrain(run, "--resume_from_checkpoint", "auto")
    assert same(weights(finished), weights(run))
    assert records(finished, *TIMES) == records(run, *TIMES)


def test_a_run_behind_a_link_is_begun_anew_there_and_the_link_stays(finished, tmp_path):
    elsewhere = shutil.copytree(finished, tmp_path / "elsewhere")
    (elsewhere / "notes.txt").write_text("mine")
    (tmp_path / "link").symlink_to("elsewhere")
    pretrain(tmp_path / "link", "--overwrite_output_dir")
    assert (tmp_path / "link").is_symlink()
    assert (elsewhere / "notes.txt").read_text() == "mine"
    assert same(weights(finished), weights(elsewhere))


@pytest.mark.parametrize("before", ["", "import analysis.drawing; "])
def test_a_command_opens_no_window_and_a_notebook_keeps_its_backend(before):
    code = f"{before}from command_line import run; run(lambda argv: print(__import__('matplotlib').get_backend()))"
    notebook = "import matplotlib; matplotlib.use('svg'); import analysis.drawing; print(matplotlib.get_backend())"
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"} | {
        "PYTHONPATH": str(ROOT)
    }
    for source, backend in ((code, "agg"), (notebook, "svg")):
        done = subprocess.run(
            [sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip().lower() == backend


def test_the_home_directory_is_meant_in_a_recipe_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.yaml").write_text("output_dir: ~/runs\nname: a~b\nother: '~'\nnumber: 3\n")
    read = command_line.read_yaml(tmp_path / "a.yaml")
    assert read == {"output_dir": f"{tmp_path}/runs", "name": "a~b", "other": str(tmp_path), "number": 3}
    (tmp_path / "deep.yaml").write_text("a: " + "[" * 3000)
    with pytest.raises(command_line.UserError, match=r"deep\.yaml"):
        command_line.read_yaml(tmp_path / "deep.yaml")
