"""A checkpoint is the files of its manifest, no more and no less."""

import json

import pytest

from run_directory.manifests import checkpoints, is_sound, sha256, write_manifest


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "outside.txt").write_text("outside")
    for name in ("model.safetensors", "b/part.json"):
        (tmp_path / "a" / name).write_text(name)
    write_manifest(tmp_path / "a")
    return tmp_path / "a"


def test_files_beside_those_of_the_manifest_are_not_ours(directory):
    for name in (".DS_Store", "Thumbs.db", "notes.txt", "b/._part.json"):
        (directory / name).write_bytes(b"\xff")
    assert is_sound(directory)


@pytest.mark.parametrize("name", ["model.safetensors", "b/part.json"])
@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_text(""),
                                    lambda file: (file.unlink(), file.mkdir())])  # fmt: skip
def test_a_file_that_is_missing_or_differs_is_damage(directory, name, damage):
    damage(directory / name)
    assert not is_sound(directory)


MANIFESTS = [
    "", "{", "{}", "[]", "3", "null", '"text"', '["model.safetensors"]', '{"model.safetensors": 3}', "[" * 100_000,
    '{"model.safetensors": null}', '{"model.safetensors": {}}', '{"\\u0000": "a"}',
    json.dumps({"../outside.txt": sha256(b"outside")}),
]  # fmt: skip


@pytest.mark.parametrize("text", MANIFESTS, ids=range(len(MANIFESTS)))
def test_a_manifest_that_names_no_files_with_their_sums_is_no_manifest(directory, text):
    (directory / "manifest.json").write_text(text)
    assert not is_sound(directory)


def test_an_absolute_name_is_no_file_of_a_manifest(directory):
    outside = {str(directory.parent / "outside.txt"): sha256(b"outside")}
    (directory / "manifest.json").write_text(json.dumps(outside))
    assert not is_sound(directory)


def test_checkpoints_are_the_directories_named_exactly_so(tmp_path):
    others = ("best", "20.bak", "20 (copy)", "-20", "020", "٢٠", "", "1e3", "last")
    for name in ("100", "20", "3", *others):
        (tmp_path / f"checkpoint-{name}").mkdir()
    (tmp_path / "checkpoint-40").write_text("a file")
    (tmp_path / "my-checkpoint-50").mkdir()
    assert list(checkpoints(tmp_path)) == [3, 20, 100]
