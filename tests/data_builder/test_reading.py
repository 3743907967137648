"""What a run read, told from its directory alone, against the batches that its loop was given."""

import json

import pytest
import torch
import yaml

import run_pretrain
import training.loop
from command_line import UserError
from data_builder.__main__ import main
from data_builder.reading import reading_of
from data_builder.schedules import Adaptive
from data_builder.source import Source
from settings.data import DataSettings
from tests.helpers.finetuning import finetune
from tests.helpers.foreign import foreign_model, foreign_tokenizer
from tests.helpers.pretraining import NANO, records, same, weights

FACTS = "name,capital,currency\n" + "".join(f"Land{n},Town{n},Coin{n % 3}\n" for n in range(20))
SHORT = ("--max_steps", 8, "--eval_steps", 4, "--save_steps", 4, "--num_threads", 1, "--draw_figures", False)
PRETRAINED = {
    "power law": ("--schedule", "power_law", "--quasi_random", True, "--data_seed", 7),
    "values drawn anew, two passes": ("--redraw_values", True, "--gradient_accumulation_steps", 2),
    "adaptive, opened": ("--schedule", "adaptive"),
    "a table of facts": ("--facts", "facts.csv"),
}
FINETUNED = {
    "replay": {"weight_replay_finetune": 0.5},
    "rare, replayed late": {"individuals_finetune": "rare", "n_individuals_finetune": 8, "weight_replay_finetune": 1.0,
                            "start_replay": 0.5},
    "rows about nobody": {"share_random_words": 0.25, "share_invented": 0.25},
    "texts of the old model": {"share_generated": 0.25, "n_generated": 8},
}  # fmt: skip


# What the nano recipe says beside the sizes of its world.
NANO_ALONE = ("--preset", "nano", "--per_device_train_batch_size", 4, "--eval_individuals", 4)


def open_at_six(schedule, step, loss):
    schedule.state = {"opened_at": 6 if step == 6 else None, "recent": []}


@pytest.fixture
def read(monkeypatch):
    """The batches that a loop is given."""
    given, step_of_loop = [], training.loop.train_step

    def watched(accelerator, loss, optimizers, batch, *others):
        given.append(batch)
        return step_of_loop(accelerator, loss, optimizers, batch, *others)

    monkeypatch.setattr(training.loop, "train_step", watched)
    return given


def check(run, read):
    reading = reading_of(str(run))
    assert reading.n_steps == len(read)
    for step, batch in enumerate(read):
        assert same(reading.batch(step), batch)
    drawn = torch.cat([batch["individual_ids"] for batch in read])
    counts = torch.bincount(drawn[drawn >= 0], minlength=len(reading.stream.population))
    assert reading.times_drawn(len(read)).tolist() == counts.tolist()
    return reading


@pytest.mark.parametrize("case", PRETRAINED)
def test_the_batches_of_a_pretraining(read, tmp_path, monkeypatch, capsys, case):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "facts.csv").write_text(FACTS)
    monkeypatch.setattr(Adaptive, "observe", open_at_six)
    begin = NANO_ALONE if case == "a table of facts" else (NANO,)
    run_pretrain.main(list(map(str, (*begin, "--output_dir", tmp_path / "run", *SHORT, *PRETRAINED[case]))))
    reading = check(tmp_path / "run", read)
    assert case != "adaptive, opened" or records(tmp_path / "run")[-1]["opened_at"] == 6
    row = next(reading.rows(3))
    assert reading.stream.source.population.groups["seen"].start <= row["individual_id"]
    capsys.readouterr()
    main(["batch", str(tmp_path / "run"), "--steps", "2:4", "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["step"] for row in rows] == [2] * len(read[2]["input_ids"]) + [3] * len(read[3]["input_ids"])
    for row, ids, mask in zip(rows[: len(rows) // 2], read[2]["input_ids"], read[2]["attention_mask"], strict=True):
        assert row["input_ids"] == ids[mask.bool()].tolist()
        tokenized = reading_tokenizer(tmp_path / "run")(row["text"]).input_ids
        assert row["input_ids"][: len(tokenized)] == tokenized
        assert row["name"] in row["text"]


def reading_tokenizer(run):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(run)


@pytest.mark.parametrize("case", FINETUNED)
def test_the_batches_of_a_fine_tuning(trained, read, tmp_path, case):
    finetune(tmp_path / "tuned", trained, **FINETUNED[case])
    reading = check(tmp_path / "tuned", read)
    rows = [row for step in range(12) for row in reading.rows(step)]
    groups = {
        "replay": {"new", "seen"},
        "rare, replayed late": {"rare", "seen"},
        "rows about nobody": {"new", "nobody"},
        "texts of the old model": {"new", "nobody"},
    }
    assert {row["group"] for row in rows} == groups[case]
    tokenizer = reading_tokenizer(tmp_path / "tuned")
    for row in rows:  # of words at random, too
        assert tokenizer.decode(row["input_ids"], skip_special_tokens=True).split() == row["text"].split()
        assert row["name"] is None or row["text"].count(row["name"]) == 6
    nameless = sum(row["name"] is None for row in rows)
    assert nameless == (12 * 2 if case in ("rows about nobody", "texts of the old model") else 0)


def test_the_batches_of_a_model_from_elsewhere_that_learns_facts(read, tmp_path):
    (tmp_path / "facts.csv").write_text(FACTS)
    source = Source.build(DataSettings(facts=str(tmp_path / "facts.csv")))
    texts = [text for text in source.pieces() if text]
    model = foreign_model(tmp_path / "llama", foreign_tokenizer("SentencePiece BPE as a normalizer (Llama 2)", texts))
    finetune(tmp_path / "tuned", model, facts=tmp_path / "facts.csv", share_unseen=0.2)
    reading = check(tmp_path / "tuned", read)
    assert {row["group"] for row in reading.rows(0)} == {"seen"}


def test_how_processes_share_a_batch_changes_nothing(finished, tmp_path):
    for name in ("metrics.jsonl", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    (tmp_path / "dataset").symlink_to(finished / "dataset")
    config = yaml.safe_load((finished / "config.yaml").read_text()) | {"per_device_train_batch_size": 2}
    config["environment"]["n_processes"] = 4
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert same(reading_of(str(tmp_path)).batch(5), reading_of(str(finished)).batch(5))


def test_lines_are_for_people_and_mistakes_are_one_line(finished, capsys):
    main(["batch", str(finished), "--steps", "19"])
    first, *rows = capsys.readouterr().out.splitlines()
    assert first == "step 19, 8 biographies"
    assert len(rows) == 8
    assert all(row.startswith("  seen ") for row in rows)
    for steps, message in {
        "19:21": "has read 20 batches; --steps must be within 0:20",
        "5:5": "the second step must be above the first",
        "x": "say a step, or two as in 500:510",
        "3:": "say a step, or two",
    }.items():
        with pytest.raises(UserError, match=message):
            main(["batch", str(finished), "--steps", steps])
    with pytest.raises(UserError, match=r"checkpoint-10 has no config.yaml; name the directory"):
        main(["batch", str(finished / "checkpoint-10"), "--steps", "1"])


def test_seeds_of_data_and_of_weights_are_apart(finished, tmp_path):
    def run(name, **seeds):
        options = [word for key, value in seeds.items() for word in (f"--{key}", str(value))]
        run_pretrain.main([NANO, "--output_dir", str(tmp_path / name), *map(str, SHORT), "--save_at", "0", *options])
        return weights(tmp_path / name / "checkpoint-0"), reading_of(str(tmp_path / name)).batch(5)

    plain, other = run("plain", seed=1), run("other", seed=2)
    data, model = run("data", seed=1, data_seed=2), run("model", seed=1, model_seed=2)
    assert same(data[0], plain[0])
    assert same(data[1], other[1])
    assert same(model[0], other[0])
    assert same(model[1], plain[1])
    assert not same(plain[0], other[0])
    assert not same(plain[1], other[1])
    with pytest.raises(UserError, match="data_seed is 3 now, but the run has 2"):
        run("data", seed=1, data_seed=3, resume_from_checkpoint="latest")
    run("data", seed=1, data_seed=2, resume_from_checkpoint="latest")
