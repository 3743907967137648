"""All conflicts of a user's own texts at once, and copies without them."""

import re
import shlex
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_line import UserError, run
from data_builder.__main__ import main
from data_builder.check import find_conflicts, write_without
from data_builder.sentences import TEMPLATES_DIR
from data_builder.source import Source
from data_builder.word_lists import load_word_lists
from data_builder.world import VALUES_DIR
from settings.data import DataSettings
from tests.helpers.independent import is_beginning, normal_form, words
from tests.helpers.toys import ADA, SMALL, files_of, table, write_world

NAMES = {"word": ["wx", "wy", "wz"]}
# Many equal and many begin with others, some are no entries at all.
ENTRIES = st.lists(
    st.lists(st.sampled_from(["a", "b", "A", "á", "-", "c 1"]), max_size=3).map(" ".join)
    | st.sampled_from(["", " a", "a  b", "<eos>", "b\u00a0"]),
    min_size=1,
    max_size=12,
)  # fmt: skip
TEMPLATES = st.lists(
    st.tuples(*(st.sampled_from(["", "a", "a b", "b"]) for _ in range(2))).map(
        lambda around: f"{around[0]} {{name}} {around[1]} {{value}}.".replace("  ", " ").lstrip()
    )
    | st.sampled_from(["{name} a.", "", "{value} of {name}", "<pad> {name} {value}"]),
    min_size=2,
    max_size=8,
)  # fmt: skip


def check(*argv):
    """What `check` prints; its exit code is 2 if it raises."""
    main(["check", *map(str, argv)])


def refusal(*argv):
    with pytest.raises(UserError) as caught:
        check(*argv)
    return str(caught.value)


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def world_of(folder, entries=("x", "y"), **templates):
    """A world of one list of values and, for each attribute, its templates."""
    texts = write_world(folder, ["word"], {a: ["list"] for a in templates or ("kind",)}, NAMES | {"list": entries})
    for attribute, lines in templates.items():
        write(folder / "templates" / f"{attribute}.txt", lines)
    return DataSettings(1, 0, 0, 1, **texts)


def together(one, other):
    """Whether two entries can stand in one list."""
    split = [words(f" {entry}") for entry in (one, other)]
    return normal_form(one) != normal_form(other) and not is_beginning(*split) and not is_beginning(*split[::-1])


def before_value(line):
    return words(f" {line}".split("{value}")[0].rstrip().replace("{name}", "\N{SNOWMAN}"))


def apart(one, other):
    """Whether two templates can stand in one world."""
    split = [before_value(line) for line in (one, other)]
    return not is_beginning(*split) and not is_beginning(*split[::-1])


def kept_of(lines, alone, pair):
    """Slow: whoever can stand alone and with all earlier ones that do, by (file, number)."""
    kept = {}
    for place, line in lines.items():
        if alone(line) and all(pair(line, other) for other in kept.values()):
            kept[place] = line
    return kept


def assert_named_are_all_and_each(data, lines, kept):
    """Exactly the lines that are not kept are named; without one of them there is one conflict less."""
    found = find_conflicts(data)
    named = [(conflict.file.stem, conflict.line) for conflict in found if conflict.line]
    assert named == [place for place in lines if place not in kept]
    for conflict in [c for c in found if c.line][:3]:
        before = conflict.file.read_text(encoding="utf-8").split("\n")
        write(conflict.file, [line for n, line in enumerate(before[:-1], 1) if n != conflict.line])
        assert sum(bool(c.line) for c in find_conflicts(data)) == len(named) - 1
        write(conflict.file, before[:-1])


def assert_dropped(data, folder, kept, place):
    """The copy has what can stand together, and nothing in conflict; or there is none."""
    before, into, found = files_of(folder), folder / "into", find_conflicts(data)
    if all(kept.values()):
        assert write_without(found, data, into) == len(found)
        texts = {f"{inside}_dir": str(into / inside) for inside in ("values", "templates")}
        assert find_conflicts(DataSettings(1, 0, 0, 1, **texts)) == []
        for name, lines in kept.items():
            assert (into / place / f"{name}.txt").read_text(encoding="utf-8") == "".join(f"{k}\n" for k in lines)
        shutil.rmtree(into)
    else:
        with pytest.raises(UserError, match="nothing is written, since without the lines in conflict"):
            write_without(found, data, into)
    assert files_of(folder) == before


@settings(max_examples=25)
@given(ENTRIES)
def test_of_a_list_every_conflict_is_named_and_none_is_left_in_the_copy(entries):
    with tempfile.TemporaryDirectory() as folder:
        data, lines = world_of(Path(folder), entries), {("list", n): line for n, line in enumerate(entries, 1)}
        kept = kept_of(lines, lambda e: e == " ".join(e.split()) != "" and "<eos>" not in e, together)
        assert_named_are_all_and_each(data, lines, kept)
        assert_dropped(data, Path(folder), {"list": list(kept.values())}, "values")


@settings(max_examples=25)
@given(TEMPLATES, TEMPLATES)
def test_of_templates_every_conflict_is_named_and_none_is_left_in_the_copy(one, other):
    with tempfile.TemporaryDirectory() as folder:
        data = world_of(Path(folder), kind=one, other=other)
        lines = {(name, n): line for name, file in (("kind", one), ("other", other)) for n, line in enumerate(file, 1)}
        kept = kept_of(lines, lambda t: re.fullmatch(r"[ab ]*\{name\}[ab ]* \{value\}\.", t), apart)
        assert_named_are_all_and_each(data, lines, kept)
        of_file = {name: [line for place, line in kept.items() if place[0] == name] for name in ("kind", "other")}
        enough = {name: found if len(found) > 1 else [] for name, found in of_file.items()}
        assert_dropped(data, Path(folder), enough, "templates")


NEW_NAMES = st.sampled_from(["Ada", "Ada  Byron", "Ada\nByron", "wx", "", "Plato <bos>"])


@settings(max_examples=20)
@given(st.lists(st.tuples(NEW_NAMES, st.sampled_from(["x", "two\nlines", " "])), min_size=1, max_size=7))
def test_of_a_table_every_conflict_is_named_and_none_is_left_in_the_copy(people):
    """Cells of two lines and blank lines too; wx is a name of the population, whoever else is in it."""
    with tempfile.TemporaryDirectory() as folder:
        data = replace(world_of(Path(folder)), n_individuals=3)
        path, into = Path(folder) / "mine.csv", Path(folder) / "into"
        rows = [f'"{name}","{kind}"\r\n' for name, kind in people]
        path.write_bytes(("\ufeff\r\nname,kind\r\n" + "\r\n".join(rows)).encode())
        data, kept = replace(data, new_individuals=str(path)), {}
        for number, (name, kind) in enumerate(people):
            name = " ".join(name.split())
            if name not in ("", "wx", "Plato <bos>", *kept) and kind.strip():
                kept[name] = number
        starts = [3 + number + sum(row.count("\n") for row in rows[:number]) for number in range(len(rows))]
        assert sorted({conflict.line for conflict in find_conflicts(data)}) == [
            start for number, start in enumerate(starts) if number not in kept.values()
        ]
        if kept:
            write_without(find_conflicts(data), data, into)
            assert find_conflicts(replace(data, new_individuals=str(into / "new_individuals.csv"))) == []
            copied = (into / "new_individuals.csv").read_bytes().decode()
            expected = ["name,kind\r\n", *(rows[number] for number in kept.values())]
            assert re.sub("(\r\n)+", "\r\n", copied).strip() == "".join(expected).strip()


@pytest.fixture
def mine(tmp_path):
    """Own texts in the bundled world: a list and templates as people bring them, and a table."""
    my = tmp_path / "my"
    for kind, folder in (("values", VALUES_DIR), ("templates", TEMPLATES_DIR)):
        shutil.copytree(folder, my / kind)
    write(my / "values" / "city.txt", ["York", "New York", "New York City", "San Jose", "San José", "Lima"])
    with (my / "templates" / "birth_place.txt").open("a", encoding="utf-8") as file:
        file.write("{name} was born in {value}.\n{value} is where {name} was born.\n{name} was born.\n")
    table(my / "new_individuals.csv", ADA, ADA)
    return my


PLACES = {
    "my/values/city.txt, line 3: 'New York City' begins with the whole of line 2, 'New York'": "values",
    "my/values/city.txt, line 5: 'San José' is the same as line 4, 'San Jose', but for accents": "values",
    "my/templates/birth_place.txt, line 26: reads the same up to its value as": "templates",
    "my/templates/birth_place.txt, line 27: needs exactly one {name} and then one {value}": "templates",
    "my/templates/birth_place.txt, line 28: needs exactly one {name} and then one {value}": "templates",
    "my/new_individuals.csv, line 3: Ada King Lovelace stands in line 2 already": "new_individuals.csv",
}


def test_a_check_lists_all_conflicts_of_what_it_is_given(mine, monkeypatch, capsys):
    monkeypatch.chdir(mine.parent)
    write(Path("recipe.yaml"), ["values_dir: my/values", "max_steps: 5"])
    for what, places in {
        "my": ("values", "templates", "new_individuals.csv"),
        "my/values": ("values",),
        "recipe.yaml": ("values",),
        "my/templates": ("templates",),
        "my/new_individuals.csv": ("new_individuals.csv",),
        "my/templates --values_dir my/values": ("values", "templates"),
    }.items():
        expected = [line for line, place in PLACES.items() if place in places]
        noun = "conflict" if len(expected) == 1 else "conflicts"
        assert re.match(rf"{len(expected)} {noun} in my/\S+.*; add --drop NEW_DIR", refusal(*what.split()))
        told = capsys.readouterr().out.splitlines()
        assert len(told) == len(expected), told
        assert all(line.startswith(begin) for line, begin in zip(told, expected, strict=True)), told


def test_a_copy_has_the_layout_that_is_checked_and_leaves_other_files_alone(mine, monkeypatch, capsys):
    monkeypatch.chdir(mine.parent)
    before = files_of(mine)
    check("my", "--drop", "deep/cleaned")
    assert capsys.readouterr().out.splitlines()[6:] == [
        "deep/cleaned holds a copy without 6 lines; nothing else was changed"
    ]
    check("deep/cleaned")
    places = "values", "templates", "new_individuals.csv"
    assert capsys.readouterr().out == f"no conflicts in {', '.join(f'deep/cleaned/{place}' for place in places)}\n"
    copied = files_of(Path("deep/cleaned"))
    assert {path for path in before if before[path] == copied.get(path)} == copied.keys() - {
        Path("values/city.txt"), Path("templates/birth_place.txt"), Path("new_individuals.csv")
    }  # fmt: skip
    assert files_of(mine) == before
    (mine.parent / "link").symlink_to("nowhere")
    for taken in ("deep/cleaned", "link", "my/values/city.txt"):
        assert "exists already and is left as it is" in refusal("my", "--drop", taken)
    assert (files_of(mine), files_of(Path("deep/cleaned"))) == (before, copied)


def test_nothing_is_written_where_leaving_out_lines_does_not_help(mine, monkeypatch):
    monkeypatch.chdir(mine.parent)
    (mine / "new_individuals.csv").unlink()
    write(mine / "templates" / "major.txt", [f"{{name}} studied for {n} years {{value}}." for n in range(5)] + ["bad"])
    told = "nothing is written, since without the lines in conflict there would still be these:\n  "
    assert refusal("my", "--drop", "new") == f"{told}templates/major.txt: has 5 templates; with 5 held out " + (
        "for evaluation it needs at least 6"
    )
    (mine / "values" / "day.txt").unlink()
    assert "needs the file my/values/day.txt, which is not there" in refusal("my", "--drop", "new")
    assert "add --drop" not in refusal("my")
    assert {path.name for path in mine.parent.iterdir()} == {"my"}


def test_a_script_tells_some_conflicts_and_a_command_that_tells_all(mine, monkeypatch, capsys):
    monkeypatch.chdir(mine.parent)
    write(mine / "values" / "major.txt", ["art", *("Art" for _ in range(10))])
    with pytest.raises(UserError) as caught:
        Source.build(DataSettings(**SMALL, values_dir="my/values", new_individuals="my/new_individuals.csv"))
    first, *told, everything, drop = str(caught.value).splitlines()
    assert first == "13 conflicts, the first 10 of them:"
    assert refusal(*shlex.split(everything.split("`")[1])[4:]).startswith("13 conflicts")
    listed = capsys.readouterr().out.splitlines()
    assert [f"  {line}" for line in listed[:10]] == told
    assert listed[12].startswith("my/new_individuals.csv, line 3")
    check(*shlex.split(drop.split("`")[1].replace("NEW_DIR", "cleaned"))[4:])
    assert load_word_lists("cleaned/values").lists["major"] == ("art",)


def test_an_own_world_is_checked_before_it_has_templates_and_if_they_lie_beside_its_lists(tmp_path):
    data = world_of(tmp_path, ["x", "X"])
    shutil.rmtree(data.templates_dir)
    assert refusal(tmp_path).startswith("1 conflict in ")
    together = shutil.copytree(data.values_dir, tmp_path / "together")
    write(together / "kind.txt", ["{name} a {value}", "{name} b {value}", "bad"])
    assert refusal(together, "--n_heldout_templates", 1).startswith("2 conflicts in ")


def test_what_cannot_be_checked_is_told(tmp_path, capsys):
    assert "nothing to check" in refusal()
    assert "cannot read recipe" in refusal(tmp_path / "none")
    assert "there is no directory" in refusal("--templates_dir", tmp_path / "none")
    assert "1 conflict in " in refusal(tmp_path / "none.csv")
    assert "none.csv: cannot be read: No such file" in capsys.readouterr().out


def test_the_exit_code_is_2_if_there_are_conflicts(mine, monkeypatch, capsys):
    for place, code in ((mine / "values", 2), (VALUES_DIR, None)):
        monkeypatch.setattr("sys.argv", ["data_builder", "check", str(place)])
        if code:
            with pytest.raises(SystemExit) as ended:
                run(main)
            assert ended.value.code == code
        else:
            run(main)
    assert capsys.readouterr().err.startswith("error: 2 conflicts in ")
