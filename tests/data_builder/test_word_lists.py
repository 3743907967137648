import calendar
import unicodedata

import pytest
import regex

from command_line import UserError
from data_builder.tokenizer import split_words, train_tokenizer
from data_builder.word_lists import load_word_lists
from data_builder.world import VALUES_DIR
from tests.helpers.independent import PACKAGE, lines_of, normal_form, words

COUNTS = {"first_name": 900, "middle_name": 900, "last_name": 1000, "city": 800, "university": 200, "major": 100,
          "company": 500, "day": 31, "month": 12, "year": 200}  # fmt: skip
MONTHS = list(calendar.month_name)[1:]


@pytest.fixture(scope="module")
def bundled():
    return load_word_lists()


@pytest.fixture
def own(tmp_path):
    """A user's own directory of ten short lists, and a function that writes one of them anew."""
    for name in COUNTS:
        (tmp_path / f"{name}.txt").write_text(f"{name} alpha\n{name} beta\n{name} gamma\n", encoding="utf-8")

    def write(name, *lines):
        (tmp_path / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return tmp_path

    return write


def error_of(directory):
    with pytest.raises(UserError) as caught:
        load_word_lists(directory)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", COUNTS)
def test_bundled_entries_are_clean_and_unique_and_none_begins_with_another(name):
    text = (VALUES_DIR / f"{name}.txt").read_bytes().decode("utf-8")
    assert text.endswith("\n")
    assert "\r" not in text
    assert unicodedata.is_normalized("NFC", text)
    plain = {"university": r"[\p{Latin}'& -]+", "major": r"[\p{Latin}'& -]+"}.get(name, r"[\w '&.-]*[\w'&-]")
    entries = lines_of("values", name)
    for entry in entries:
        assert regex.fullmatch(r"(?=\p{Latin}+$)\p{Lu}\p{Ll}+" if name.endswith("_name") else plain, entry), entry
        assert entry == " ".join(entry.split()) != ""
    assert len({normal_form(entry) for entry in entries}) == len(entries)
    split = [words(f" {entry}") for entry in entries]
    assert ["".join(parts) for parts in split] == [f" {entry}" for entry in entries]
    assert [(a, b) for a in split for b in split if a is not b and b[: len(a)] == a] == []


def test_sizes_of_names_and_values(bundled):
    assert bundled.lists == {name: tuple(lines_of("values", name)) for name in COUNTS}
    assert {name: len(entries) for name, entries in bundled.lists.items()} == COUNTS
    assert bundled.name_sizes == (900, 900, 1000)
    lists = {"birth_place": 800, "university": 200, "major": 100, "company": 500, "location": 800}
    assert bundled.value_sizes == {"birth_date": 31 * 12 * 200} | lists
    assert bundled.values("birth_date") == [
        f"{d} {m} {y}" for d in range(1, 32) for m in MONTHS for y in range(1900, 2100)
    ]
    for attribute, name in (("birth_place", "city"), ("location", "city"), ("major", "major")):
        assert bundled.values(attribute) == lines_of("values", name)
    first, middle = ({normal_form(e) for e in lines_of("values", n)} for n in ("first_name", "middle_name"))
    assert not first & middle


@pytest.mark.parametrize("size", [1, 12, 31, 150, 899, 10_000])
def test_entries_per_list_takes_entries_spread_evenly(bundled, size):
    for name, entries in load_word_lists(entries_per_list=size).lists.items():
        every = bundled.lists[name]
        assert len(entries) == min(size, len(every))
        assert entries[0] == every[0]
        places = [every.index(entry) for entry in entries]
        gaps = [b - a for a, b in zip(places, [*places[1:], len(every)], strict=True)]
        assert min(gaps) >= 1
        assert max(gaps) - min(gaps) <= 1
    of_names = load_word_lists(entries_per_list=size, names_per_list=4).lists
    assert [len(of_names[name]) for name in ("last_name", "city")] == [4, min(size, 800)]


def test_own_directory_is_read(own):
    directory = own("month", "Nivôse", "Pluviôse")
    lists = load_word_lists(str(directory))
    assert lists.lists["city"] == ("city alpha", "city beta", "city gamma")
    assert lists.lists["month"] == ("Nivôse", "Pluviôse")
    assert [*lists.value_sizes.values()] == [3 * 2 * 3, 3, 3, 3, 3, 3]
    assert lists.values("birth_date")[3] == "day alpha Pluviôse year alpha"


def test_own_entries_are_brought_to_nfc_without_marks_and_windows_line_ends(own):
    directory = own("city")
    text = "\ufeff" + unicodedata.normalize("NFD", "Malmö") + "\r\nGhent\r\n"
    (directory / "city.txt").write_bytes(text.encode())
    assert load_word_lists(directory).lists["city"] == ("Malmö", "Ghent")
    # An entry may begin with the letters of another.
    assert load_word_lists(own("major", "art", "arts", "arthistory")).lists["major"] == ("art", "arts", "arthistory")


# Hindi (the first two differ in one vowel sign), Nepali, Bengali, Tamil, Thai, Japanese, and what has no composed form.
MARKED = ["अमित", "अमृत", "नेहा", "प्रिया", "श्रीकांत", "सुनीता", "कृष्ण थापा", "মিতা", "মিতু", "கவிதா", "கவிதை", "สมชาย", "สมชัย",
          "วิภา", "か", "が", "M\u0304ia"]  # fmt: skip


def test_marks_are_part_of_words_and_tell_names_apart(own):
    directory = own("first_name", *MARKED)
    lists = load_word_lists(directory)
    assert lists.lists["first_name"] == tuple(MARKED)
    tokenizer = train_tokenizer(f" {entry}" for entry in MARKED)
    for entry in MARKED:
        tokens = tokenizer(entry).input_ids[1:]
        assert [tokenizer.decode([token]) for token in tokens] == [f" {word}" for word in entry.split()]
    (directory / "first_name.txt").write_bytes("\ufeffAnna\r\nJose\u0301\r\nO'Neil\r\nJean-Luc\r\n".encode())
    assert load_word_lists(directory).lists["first_name"] == ("Anna", "José", "O'Neil", "Jean-Luc")


# Persian, Hindi and Malayalam (a joiner ends the last one); a joiner before any letter joins nothing.
JOINED = ["علی\u200cرضا", "نیک\u200cنام پور\u200cداوود", "क\u094d\u200dषमा", "അവന\u0d4d\u200d"]


def test_joiners_are_part_of_words(own):
    lists = load_word_lists(own("first_name", *JOINED, "علیرضا"))
    assert lists.lists["first_name"][:-1] == tuple(JOINED)
    tokenizer = train_tokenizer(f" {entry}" for entry in JOINED)
    for entry in JOINED:
        tokens = tokenizer(f"{entry} {entry}").input_ids[1:]
        assert [tokenizer.decode([token]) for token in tokens] == [f" {word}" for word in (entry + " " + entry).split()]
    parts = [" \U0001f469", "\u200d", "\U0001f680", " \u200d", "ab"]
    assert split_words("".join(parts)) == parts


def test_bundled_texts_have_no_marks_and_joiners(bundled):
    """So that nothing is tokenized otherwise than when these were no part of words (see test_tokenizer)."""
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.txt")]
    assert len(texts) > 20
    assert not any(regex.search(r"[\p{M}\u200c\u200d]", text) for text in texts)


@pytest.mark.parametrize("name", COUNTS)
def test_a_missing_empty_or_unreadable_list_is_named(own, name):
    path = own(name) / f"{name}.txt"
    for content, message in ((b"", "empty"), ("Malmö\n".encode("latin-1"), ""), (None, "")):
        path.write_bytes(content) if content is not None else path.unlink()
        assert str(path) in error_of(path.parent)
        assert message in error_of(path.parent)


@pytest.mark.parametrize(
    "again", ["São Paulo", "Sao Paulo", "SAO PAULO", "são-paulo", unicodedata.normalize("NFD", "São Paulo")]
)
def test_a_duplicate_after_normalisation_names_both_lines(own, again):
    message = error_of(own("city", "Ghent", "São Paulo", "Lima", again))
    assert "city.txt, line 4" in message
    assert "is the same as line 2, 'São Paulo'" in message
    assert ("but for accents" in message) == (unicodedata.normalize("NFC", again) != "São Paulo")
    assert "no-knowledge baseline" in message


@pytest.mark.parametrize(
    "lines", [("history of art", "law", "history"), ("law", "history", "history of art"), ("a-b", "law", "a")]
)
def test_an_entry_that_begins_with_another_names_both_lines(own, lines):
    message = error_of(own("major", *lines))
    first, second = (n for n, line in enumerate(lines, 1) if line != "law")
    relation = "begins with the whole of" if len(lines[second - 1]) > len(lines[first - 1]) else "is the beginning of"
    assert f"major.txt, line {second}: '{lines[second - 1]}' {relation} line {first}, '{lines[first - 1]}';" in message
    assert f"more comes after '{min(lines[first - 1], lines[second - 1], key=len)}'" in message


@pytest.mark.parametrize("bad", ["", " ", "New  York", " Lima", "Lima ", "New\tYork", "New\u00a0York", "<eos>"])
def test_blank_lines_needless_spaces_and_special_tokens_are_named(own, bad):
    assert "city.txt, line 2" in error_of(own("city", "Ghent", bad, "Oslo"))
