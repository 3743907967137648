"""The page without a server."""

import json

import pytest

from command_line import UserError
from explorer import export
from explorer.source import Explored


@pytest.fixture(scope="module")
def page(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "page"
    export.main([str(finished), "--output_dir", str(folder), "--people", "4"])
    return folder


def content(file):
    return json.loads(file.read_text(encoding="utf-8").partition(" = ")[2].removesuffix(";\n"))


def test_it_tells_of_each_chosen_individual_at_each_checkpoint(page, finished):
    explored = Explored(str(finished))
    people = export.chosen(explored, 4)
    assert sorted(int(file.stem) for file in (page / "people").iterdir()) == people
    assert [explored.group(person) for person in people] == ["seen", "seen", "unseen"]
    told = content(page / "people" / f"{people[0]}.js")
    assert [f"right at step {step}" in told["Individual"][i] for i, step in enumerate((10, 20))] == [True, True]
    assert explored.names[people[0]] in (page / "index.html").read_text()
    assert content(page / "run.js")["steps"] == [10, 20]


def test_it_holds_no_path_of_this_machine_and_no_address_of_another(page, finished):
    text = "".join(file.read_text(encoding="utf-8") for file in page.rglob("*") if file.is_file())
    assert str(finished.parent) not in text
    assert "http" not in text.replace("http-equiv", "")


def test_nothing_is_overwritten(page, finished):
    with pytest.raises(UserError, match="exists already and is left as it is"):
        export.main([str(finished), "--output_dir", str(page)])
