"""docs/METRICS.md lists every key of metrics.jsonl, and no other."""

import re

import pytest

from tests.helpers.finetuning import finetune
from tests.helpers.pretraining import ROOT, pretrain, records

WORDS = {
    "<group>": r"(seen|unseen|new|rare|memorized|asked|unasked|group\d)",
    "<attribute>": "[a-z_]+",
    "<score>": "(top_probability|entropy)",
    "<n>": r"\d+",
}


@pytest.fixture(scope="module")
def keys(trained, tmp_path_factory):
    tuned = tmp_path_factory.mktemp("runs") / "tuned"
    (tuned.parent / "old.csv").write_text("name,capital\nFrance,Paris\nItaly,Rome\n")
    (tuned.parent / "old.txt").write_text("Once upon a time.")
    probes = {"probe_facts": tuned.parent / "old.csv", "probe_text": tuned.parent / "old.txt"}
    finetune(tuned, trained, schedule="adaptive", indiv_warmup=4, **probes)
    turns = tuned.parent / "turns"
    options = ("--schedule", "sequential", "--eval_groups", True, "--share_questions", 0.5, "--sentence_order", "fixed")
    pretrain(turns, *options)
    pretrain(tuned.parent / "humble", "--share_unknown", 0.25)
    return {key for run in (trained, tuned, turns, tuned.parent / "humble") for line in records(run) for key in line}


def test_the_page_lists_what_runs_record(keys):
    listed = re.findall(r"^\| `(.*?)` \|", (ROOT / "docs" / "METRICS.md").read_text(encoding="utf-8"), re.MULTILINE)
    patterns = [re.sub("<.*?>", lambda word: WORDS[word[0]], key) for key in listed]
    found = {pattern: [key for key in keys if re.fullmatch(pattern, key)] for pattern in patterns}
    assert [pattern for pattern, of_it in found.items() if not of_it] == []
    assert sorted(key for of_it in found.values() for key in of_it) == sorted(keys)
