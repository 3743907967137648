"""Knowledge in the trainers of others: transformers' and trl's own classes, with the stream as their dataset."""

import itertools

import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

from evaluation.callback import KnowledgeCallback
from evaluation.measure import run_measure
from tests.helpers.foreign import foreign_model, foreign_tokenizer
from tests.helpers.toys import stream_of

HOW = {"max_steps": 6, "per_device_train_batch_size": 8, "learning_rate": 1e-2, "report_to": "none", "use_cpu": True,
       "save_strategy": "no", "logging_steps": 3, "disable_tqdm": True}  # fmt: skip


@pytest.fixture(scope="module")
def world(source, tmp_path_factory):
    tokenizer = foreign_tokenizer("byte-level BPE (GPT-2, GPT-NeoX)", source.pieces())
    folder = foreign_model(tmp_path_factory.mktemp("models") / "stock", tokenizer, n_positions=512)
    tokenizer = AutoTokenizer.from_pretrained(folder, pad_token="</s>")
    return source, tokenizer, folder, stream_of(source, tokenizer)


def test_the_dataset_has_the_rows_of_the_batches_in_order_without_padding(world):
    _, tokenizer, _, stream = world
    rows = list(stream.to_iterable_dataset(4, 2))
    batches = [stream.batch(step, 4) for step in range(2)]
    pairs = (pair for b in batches for pair in zip(b["input_ids"], b["attention_mask"].bool(), strict=True))
    expected = [ids[mask].tolist() for ids, mask in pairs]
    assert [row["input_ids"] for row in rows] == [row["labels"] for row in rows] == expected
    assert len(list(itertools.islice(stream.to_iterable_dataset(4), 9))) == 9
    assert all(row["input_ids"][-1] == tokenizer.eos_token_id for row in rows)


def check(trainer, world, model):
    trainer.train()
    stream = world[-1]
    measured = [line for line in trainer.state.log_history if "seen_attribute_loss" in line]
    assert [line["step"] for line in measured] == [0, 4, 6]
    assert measured[-1]["seen_attribute_loss"] < measured[0]["seen_attribute_loss"]
    probes = {group: stream.probe(group, 16) for group in ("seen", "unseen")}
    ours = run_measure(probes, stream.value_sizes, 8)(model.eval())
    for key in ("seen_attribute_loss", "seen_attribute_accuracy", "unseen_auroc_entropy", "no_knowledge_baseline"):
        assert measured[-1][key] == pytest.approx(ours[key], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("adapted", [False, True])
def test_transformers_trainer_logs_it(world, tmp_path, adapted):
    source, tokenizer, folder, stream = world
    stock = model = AutoModelForCausalLM.from_pretrained(folder)
    if adapted:
        model = get_peft_model(stock, LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear"))
    trainer = Trainer(
        model, TrainingArguments(str(tmp_path), **HOW), train_dataset=stream.to_iterable_dataset(8),
        data_collator=DataCollatorForSeq2Seq(tokenizer), callbacks=[KnowledgeCallback(source, tokenizer, 4, 16)],
    )  # fmt: skip
    check(trainer, world, stock)


def test_trl_does(world, tmp_path):
    trl = pytest.importorskip("trl", reason="pip install -e .[trl]")
    source, tokenizer, folder, stream = world
    model = AutoModelForCausalLM.from_pretrained(folder)
    trainer = trl.SFTTrainer(
        model, trl.SFTConfig(str(tmp_path), bf16=False, gradient_checkpointing=False, **HOW),
        train_dataset=stream.to_iterable_dataset(8), processing_class=tokenizer,
        callbacks=[KnowledgeCallback(source, tokenizer, 4, 16)],
    )  # fmt: skip
    check(trainer, world, model)
