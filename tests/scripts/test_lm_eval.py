"""lm-evaluation-harness itself on runs, checkpoints and revisions, with the tasks that come with a dataset."""

import numpy as np
import pytest
import torch
from huggingface_hub import snapshot_download
from transformers import AutoModelForCausalLM, AutoTokenizer

from data_builder.directory import build_directory
from data_builder.population import Wording
from data_builder.questions import asked, wording_of
from data_builder.source import Source
from data_builder.stream import BiographyStream
from evaluation.knowledge import attribute_accuracies, attribute_losses
from evaluation.probes import value_predictions
from tests.helpers.hub_toys import Client
from tests.helpers.pretraining import pretrain

lm_eval = pytest.importorskip("lm_eval", reason="pip install -e .[lm_eval]")
HFLM = pytest.importorskip("lm_eval.models.huggingface").HFLM
TaskManager = pytest.importorskip("lm_eval.tasks").TaskManager

PEOPLE = {"n_individuals": 16, "n_unseen": 8, "entries_per_list": 3}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A run whose model knows which values there are, and the dataset of its people."""
    root = tmp_path_factory.mktemp("lm_eval")
    options = [word for name, value in PEOPLE.items() for word in (f"--{name}", value)]
    pretrain(root / "run", *options, "--max_steps", 90, "--save_steps", 60, "--learning_rate", 1e-2)
    build_directory(Source.load(root / "run" / "dataset").settings, root / "data")
    return root


def results(model, tasks, **more):
    """What lm-evaluation-harness says, by task and metric; its own thousands of tasks are not read."""
    told = lm_eval.simple_evaluate(
        HFLM(model, device="cpu", batch_size=16, **more),
        tasks=["fact_learning"],
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        log_samples=False,
    )
    return {(task, metric): told["results"][f"fact_learning_{task}"][f"{metric},none"]
            for task in ("seen", "unseen") for metric in ("acc", "attribute_loss")}  # fmt: skip


def first_places(folder, dataset):
    """Our own measures at the first sentence of biographies that begin with the questions."""
    source, measured = Source.load(dataset), {}
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    tables, n = BiographyStream(source, tokenizer, None, seed=0).tables, source.population.values.shape[1]
    for group in ("seen", "unseen"):
        people = np.repeat(asked(source.population.groups[group]), n)
        templates = np.concatenate([wording_of(source.population, person).templates for person in people])
        order = np.stack([np.roll(np.arange(n), -(row % n)) for row in range(len(people))])
        batch = tables.assemble(source.population.names[people], source.population.values[people],
                                Wording(templates, order))  # fmt: skip
        flat = value_predictions(model, {key: torch.tensor(array, dtype=torch.long) for key, array in batch.items()})
        first = flat["attributes"] == flat["rows"] % n + 1
        where = (flat["rows"][first], flat["attributes"][first], n)
        measured[group, "acc"] = attribute_accuracies(flat["correct"][first], *where).mean()
        measured[group, "attribute_loss"] = attribute_losses(flat["losses"][first], *where).mean()
    return measured


@pytest.mark.parametrize("folder", [".", "checkpoint-60"])
def test_it_measures_what_we_do_at_the_first_sentence(places, folder):
    told = results(str(places / "run" / folder), places / "data" / "lm_eval")
    ours = first_places(places / "run" / folder, places / "run" / "dataset")
    assert told == {key: pytest.approx(value, rel=1e-4) for key, value in ours.items()}
    assert 0 < told["seen", "acc"] < 1
    assert told["seen", "attribute_loss"] != told["unseen", "attribute_loss"]


def test_a_revision_with_the_tasks_of_a_published_dataset(places, hub, tmp_path):
    client, told = Client(hub, tmp_path / "home"), {}
    client.hub_cards("publish", places / "run", "--repo", "me/facts", "--dataset_repo", "me/people")

    def measure(words):
        patterns = ["*/lm_eval/*", "*/questions/*"]
        snapshot_download("me/people", repo_type="dataset", allow_patterns=patterns, local_dir=tmp_path / "people")
        told.update(results("me/facts", tmp_path / "people/16/lm_eval", revision="step-000060"))

    client.call(measure)
    assert {path.name for path in (tmp_path / "people" / "16").iterdir()} == {"lm_eval", "questions"}
    assert told == results(str(places / "run" / "checkpoint-60"), places / "data" / "lm_eval")
