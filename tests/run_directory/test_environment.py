"""Whose commit a run records."""

import subprocess

import pytest

from command_line import version
from run_directory import environment


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one commit, apart from any other and from everybody's settings."""
    for name in ("GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "code.py").write_text("1\n")
    own = ["-c", "user.name=me", "-c", "user.email=me@here"]
    for command in (["init", "-q"], ["add", "."], [*own, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_the_commit_is_that_of_the_project_not_of_what_surrounds_it(repository, monkeypatch):
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True).stdout.strip()
    monkeypatch.setattr(environment, "CLONE", repository)
    assert environment._commit() == head
    (repository / "copy" / "code.py").write_text("2\n")
    assert environment._commit() == f"{head}+changes"
    monkeypatch.setattr(environment, "CLONE", repository / "copy")
    assert environment._commit() is None


def test_the_version_is_recorded_without_a_commit_too(monkeypatch, tmp_path):
    for clone in (None, tmp_path):  # installed, and a downloaded archive
        monkeypatch.setattr(environment, "CLONE", clone)
        recorded = environment.environment(1, "cpu", 1)
        assert (recorded["fact-learning"], recorded["commit"]) == (version(), None)
