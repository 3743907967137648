"""Whatever is written into a configuration, a world or a dataset: cards show it as text, and it does nothing."""

import shutil

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard
from markdown_it import MarkdownIt
from markupsafe import Markup

import hub_cards.__main__ as command
from command_line import UserError
from hub_cards.cards import dataset_card, model_card
from hub_cards.markdown import as_text, with_links
from run_directory.records import load_run

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[me](javascript:alert(1)) ![it](//a.b/c.png) <https://a.b> [a]: b",
    "a | b | c",
    "**a** __b__ _c_ *d* ~~e~~ `f` \\*g\\* $$h$$ \\\\(i\\\\)",
    "a\n\n# b\n\n- c\n\n```\n<b>d</b>\n```\n\n~~~\n---\nlicense: other\n---\n",
    "````\n```\n<script>a</script>",
    "{{ 7 * 7 }} {% raw %} &lt;b&gt; &#60;",
    "': \"\t%YAML\x00 \ud800 \u2028 --- ... {a: [b}",
    "]](( ```` ` <!-- ",
]


def shown(card):
    """What a reader of a card sees: the kinds of its parts in order, the letters of its text, its blocks of code."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = parser.parse(card.split("\n---\n", 1)[1])
    parts = [part for token in tokens for part in (token.children or [token])]
    texts = [part for part in parts if part.type in ("text", "text_special")]
    kinds = [part.type for part in parts if part not in texts]
    return kinds, letters("".join(part.content for part in texts)), [p.content for p in parts if p.type == "fence"]


def letters(text):
    """Without spaces, of which cards make one, and line breaks."""
    return "".join(text.replace("\x00", "").replace("\ud800", "?").split()).replace("\ufffd", "")


def hostile_run(path, text):
    """Every text that a run's configuration, environment and world bring into its card."""
    config = yaml.safe_load((path / "config.yaml").read_text())
    config["environment"] = dict.fromkeys(config["environment"], text) | {"base_model": text}
    config |= dict.fromkeys(("n_individuals", "seed", "eval_individuals", "start_patching"), text)
    config |= dict.fromkeys(("n_individuals_finetune", "weight_replay_finetune", "reference_patching"), text)
    config |= {"individuals_finetune": "new", "values_dir": text, text[:50]: [text], "preset": text}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    world = path / "dataset" / "source" / "values" / "world.yaml"
    world.write_text(yaml.safe_dump(yaml.safe_load(world.read_text()) | {"entities": text, "attribution": text}))
    return load_run(path)


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_a_run_are_shown_as_they_are_in_its_card(copy, text):
    harmless = shown(model_card(hostile_run(copy, "harmless"), "me/facts", "me/people"))
    card = model_card(hostile_run(copy, text), "me/facts", "me/people")
    kinds, said, (_, recipe, _) = shown(card)
    assert kinds == harmless[0]
    assert said.count(letters(text)) == harmless[1].count("harmless") > 20
    assert yaml.safe_load(recipe)["preset"] == text
    about = yaml.safe_load(card.split("\n---\n")[0])
    assert about == ModelCard(card).data.to_dict()
    assert (about["license"], about["base_model"]) == ("apache-2.0", text)
    card.encode()


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_datasets_are_shown_as_they_are_in_their_card(text):
    def card(text):
        keys = ("n_individuals", "n_unseen", "n_new", "entries_per_list", "population_seed", "entities", "attribution")
        settings = dict.fromkeys(keys, text) | {"attributes": [text, text], "own_individuals": 0}
        of_population = {"a": settings, "b_c": settings | {"own_individuals": text}}
        return dataset_card("me/people", [{"config_name": "a-b"}], of_population)

    harmless, hostile = shown(card("harmless")), shown(card(text))
    assert hostile[0] == harmless[0]
    said = text.replace("_", " ")
    assert hostile[1].count(letters(text)) + hostile[1].count(letters(said)) >= harmless[1].count("harmless") > 10
    assert DatasetCard(card(text)).data.to_dict()["configs"] == [{"config_name": "a-b"}]


def test_an_attribution_has_links_and_nothing_else():
    assert with_links("From [a_b](https://a.b/c_d), *as it is* ") == "From [a_b](https://a.b/c_d), &#42;as it is&#42; "
    for text in ("[a](javascript:b)", "![a](https://a.b/c)", "[a](https://b 'c')", "[[a](https://b)](https://c"):
        kinds, said, _ = shown(f"---\n---\n{with_links(text)}")
        assert "image" not in kinds
        assert said == letters(text) or "link_open" in kinds


def test_words_of_any_language_are_left_as_they_are():
    for text in ("x86_64, 2.1 GHz (4 cores) - 50%", "भारत", "naïve: O'Neil / Ø", 3, 0.5):
        assert as_text(text) == str(text)
    assert as_text(Markup("<b>")) == "<b>"
    for letter in "\\`*_~[]<>|&$!#":
        assert as_text(letter) == f"&#{ord(letter)};"


@pytest.mark.parametrize("option", ["--repo", "--dataset_repo"])
def test_preview_refuses_what_is_no_repository(finished, option):
    with pytest.raises(UserError, match="'me/<b>' is not a repository id like user/name"):
        command.main(["preview", str(finished), option, "me/<b>"])
