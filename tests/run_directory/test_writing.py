"""Who may write a run directory, and what is deleted there."""

import subprocess
import sys

import pytest

from command_line import UserError
from run_directory.records import read_records, truncate_records
from run_directory.writing import Finished, clear, find_run, writer
from settings.training import TrainingSettings
from tests.helpers.pretraining import ROOT

HOLD = """
import sys, time
from pathlib import Path
from run_directory.writing import writer
with writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


def place(run, *names, text="seed: 0\nenvironment: {}\n"):
    """A directory with these files, and a run's config.yaml."""
    run.mkdir(exist_ok=True)
    (run / "config.yaml").write_text(text)
    for name in names:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("{}\n")
    return run


def settings(run, **others):
    return TrainingSettings(output_dir=str(run), **others)


@pytest.mark.parametrize("text", ["seed: 0\n", "", "- a\n", "my_environment: conda\n"])
@pytest.mark.parametrize("options", [{"overwrite_output_dir": True}, {"resume_from_checkpoint": "auto"}, {}])
def test_a_directory_that_is_no_run_is_never_begun_in(tmp_path, text, options):
    place(tmp_path, text=text)
    with pytest.raises(UserError, match="exists and is no run; choose another"):
        find_run(settings(tmp_path, **options))


def test_only_what_a_run_writes_is_deleted(tmp_path):
    own = ["metrics.jsonl", "individuals.json", "tokenizer.json", "checkpoint-10/model.safetensors", "figures/a.png",
           ".checkpoint-20.tmp/model.safetensors", "dataset/a.parquet"]  # fmt: skip
    others = ["thesis.txt", "mine/values.txt", "checkpoint-best/model.safetensors", "checkpoint-10.bak/a", "notes.json"]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")  # an output_dir that is a link stays one
    clear(place(tmp_path / "link", *own, *others))
    left = (path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file())
    assert sorted(path.relative_to(tmp_path / "elsewhere").as_posix() for path in left) == sorted(others)


@pytest.mark.parametrize(
    "name", ["figures/mine.png", "dataset/notes.md", "checkpoint-10/notes.md", "checkpoint-10/mine/a.json"]
)
def test_a_run_is_not_deleted_with_what_somebody_put_into_its_folders(tmp_path, name):
    run = place(tmp_path / "run", "figures/phases.json", "checkpoint-10/config.json", "figures/.DS_Store")
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_text("mine")
    expected = run / name if name.count("/") == 1 else (run / name).parent
    with pytest.raises(UserError, match=f"^{expected} is not of the run that would be deleted; move it away"):
        find_run(settings(run, overwrite_output_dir=True))
    find_run(settings(run, resume_from_checkpoint="latest"))
    (run / name).unlink()
    (run / "checkpoint-10" / "mine").exists() and (run / "checkpoint-10" / "mine").rmdir()
    find_run(settings(run, overwrite_output_dir=True))


def test_a_run_is_not_written_into_another(tmp_path):
    run = place(tmp_path / "run")
    for inside in ("figures/new", "checkpoint-10/x", "x"):
        with pytest.raises(UserError, match=f"lies in the run {run}; choose another --output_dir"):
            find_run(settings(run / inside))


def test_what_is_there_is_gone_on_with_or_begun_anew_only_if_nothing_is_lost(tmp_path):
    run = place(tmp_path / "run")  # failed before it recorded anything
    assert find_run(settings(run)) == run
    place(run, "metrics.jsonl")
    with pytest.raises(UserError, match="holds a run already"):
        find_run(settings(run))
    auto = settings(run, resume_from_checkpoint="auto")
    find_run(auto)
    assert (auto.resume_from_checkpoint, auto.overwrite_output_dir) == (None, True)  # no checkpoint to go on from
    place(run, "individuals.json")  # finished, without a checkpoint
    with pytest.raises(Finished, match="has come to its end already"):
        find_run(settings(run, resume_from_checkpoint="auto"))
    with pytest.raises(UserError, match="another process has written .*run meanwhile"):
        find_run(auto)  # asked again under the lock
    place(run, "checkpoint-10/manifest.json")
    auto = settings(run, resume_from_checkpoint="auto")
    find_run(auto)
    assert auto.resume_from_checkpoint == "latest"
    for name in (".DS_Store", ".lock"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        (tmp_path / "empty" / name).touch()
    find_run(settings(tmp_path / "empty"))


def test_a_checkpoint_may_be_named_without_its_run(tmp_path, monkeypatch):
    run = place(tmp_path / "run", "checkpoint-10/manifest.json", "checkpoint-20/manifest.json")
    place(tmp_path / "other", "checkpoint-10/manifest.json")
    monkeypatch.chdir(tmp_path / "other")  # whose checkpoint of that name is not meant
    for named, found in (("checkpoint-10", run / "checkpoint-10"), (str(run / "checkpoint-20"), run / "checkpoint-20"),
                         ("checkpoint-30", "checkpoint-30")):  # fmt: skip
        resumed = settings(run, resume_from_checkpoint=named)
        find_run(resumed)
        assert resumed.resume_from_checkpoint == str(found)


def test_a_run_has_one_writer_until_that_process_ends(tmp_path):
    run = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(run)], cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            with (
                pytest.raises(UserError, match=f"process {process.pid} is writing .*run; wait for it, end it"),
                writer(run),
            ):
                pass
        finally:
            process.kill()
    with writer(run):  # free again
        place(run)
    with pytest.raises(UserError, match="refused"), writer(tmp_path / "new"):
        raise UserError("refused")
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_a_damaged_line_is_left_out_and_the_others_stay(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(b'{"step": 0}\n\xff\n{"step": 20}\n{"step": 30}\n{"st')
    with pytest.raises(UserError, match=r"metrics.jsonl is damaged in line 2; resuming the run leaves it out"):
        read_records(tmp_path)
    said = []
    truncate_records(tmp_path, 20, said.append)
    assert said == [f"1 of 5 lines of {file} are damaged; left out"]
    assert [record["step"] for record in read_records(tmp_path)] == [0, 20]
