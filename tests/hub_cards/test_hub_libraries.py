"""Other libraries against the loopback Hub, in processes of their own."""

import inspect
import json
import subprocess
import sys
import textwrap
from importlib.metadata import version

import pytest
from packaging.version import Version

from tests.helpers.hub_server import client_environment


def run_client(function, *arguments, hub, home, token="hf_write", **environment):
    """Call a function in a process of its own, which only sees the Hub, and return what it returned."""
    source = textwrap.dedent(inspect.getsource(function))
    script = f"import json\n{source}\nprint(json.dumps({function.__name__}(*{arguments!r})))"
    settings = client_environment(hub, home, token) | environment
    done = subprocess.run([sys.executable, "-c", script], env=settings, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def push_and_load_model(repo_id):
    import torch
    from huggingface_hub import create_branch
    from transformers import AutoModelForCausalLM, GPT2Config

    config = GPT2Config(vocab_size=64, n_positions=16, n_embd=8, n_layer=1, n_head=1, bos_token_id=0, eos_token_id=0)
    for revision in ("main", "step-000500"):
        model = AutoModelForCausalLM.from_config(config)
        model.push_to_hub(repo_id, revision=None if revision == "main" else revision)
        if revision == "main":
            create_branch(repo_id, branch="step-000500")
    loaded = [AutoModelForCausalLM.from_pretrained(repo_id, revision=revision) for revision in ("step-000500", "main")]
    equal = [
        all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True)) for other in loaded
    ]
    return equal


def test_a_model_comes_back_bit_for_bit(hub, tmp_path):
    assert run_client(push_and_load_model, "me/gpt2", hub=hub, home=tmp_path) == [True, False]
    files = [hub.repo("me/gpt2").files(revision) for revision in ("main", "step-000500")]
    assert files[0]["config.json"] == files[1]["config.json"]
    assert files[0]["model.safetensors"] != files[1]["model.safetensors"]
    assert not hub.sent("CONNECT|http://")  # nothing for another host


def push_datasets(repo_id):
    from datasets import Dataset, DatasetDict
    from huggingface_hub import create_tag

    for name, first in (("64k", 0), ("128k", 100)):
        splits = {split: Dataset.from_dict({"n": list(range(first, first + 4))}) for split in ("seen", "unseen")}
        DatasetDict(splits).push_to_hub(repo_id, config_name=name, set_default=name == "64k")
        if name == "64k":
            create_tag(repo_id, tag="v1", repo_type="dataset")
    return True


def load_datasets(repo_id):
    from datasets import get_dataset_config_names, load_dataset

    return {
        "configs": sorted(get_dataset_config_names(repo_id)),
        "configs of v1": get_dataset_config_names(repo_id, revision="v1"),
        "64k": load_dataset(repo_id, "64k", split="seen", revision="v1")["n"][:],
        "default": load_dataset(repo_id, split="seen")["n"][:],
        "128k": load_dataset(repo_id, "128k", split="unseen")["n"][:],
        "streamed": [row["n"] for row in load_dataset(repo_id, "128k", split="seen", streaming=True)],
    }


def reload_dataset(repo_id):
    from datasets import load_dataset

    return load_dataset(repo_id, "128k", split="unseen")["n"][:]


def test_datasets_come_back(hub, tmp_path):
    assert run_client(push_datasets, "me/data", hub=hub, home=tmp_path / "a")
    files = hub.repo("me/data", "dataset").files()
    assert [path for path in files if path.startswith("128k/")] == [
        "128k/seen-00000-of-00001.parquet",
        "128k/unseen-00000-of-00001.parquet",
    ]
    assert b"config_name: 128k" in files["README.md"]
    assert run_client(load_datasets, "me/data", hub=hub, home=tmp_path / "b") == {
        "configs": ["128k", "64k"],
        "configs of v1": ["64k"],
        "64k": [0, 1, 2, 3],
        "default": [0, 1, 2, 3],
        "128k": [100, 101, 102, 103],
        "streamed": [100, 101, 102, 103],
    }
    seen = len(hub.requests)
    offline = {"hub": hub, "home": tmp_path / "b", "HF_HUB_OFFLINE": "1"}
    assert run_client(reload_dataset, "me/data", **offline) == [100, 101, 102, 103]
    assert len(hub.requests) == seen
    assert not hub.sent("CONNECT")


def push_cards(repo_id):
    from huggingface_hub import DatasetCard, ModelCard, ModelCardData, create_repo, metadata_update
    from huggingface_hub.repocard_data import DatasetCardData, EvalResult

    create_repo(repo_id)
    create_repo(repo_id, repo_type="dataset")
    result = EvalResult("text-generation", "biographies", "Biographies", "attribute_accuracy", 0.5)
    data = ModelCardData(license="apache-2.0", tags=["facts"], model_name="tiny", eval_results=[result])
    ModelCard.from_template(data, template_str="---\n{{ card_data }}\n---\n# Tiny\n").push_to_hub(repo_id)
    metadata_update(repo_id, {"tags": ["facts", "gpt2"]}, overwrite=True)
    card = DatasetCard(f"---\n{DatasetCardData(license='cc-by-4.0').to_yaml()}\n---\n# Data\n")
    card.push_to_hub(repo_id)
    loaded = ModelCard.load(repo_id).data
    return loaded.tags, loaded.eval_results[0].metric_value, DatasetCard.load(repo_id).data.license


OLD = Version(version("huggingface_hub")) < Version("2.3")


@pytest.mark.skipif(OLD, reason="this version checks cards at another address than HF_ENDPOINT")
def test_cards_come_back(hub, tmp_path):
    assert run_client(push_cards, "me/x", hub=hub, home=tmp_path) == [["facts", "gpt2"], 0.5, "cc-by-4.0"]
    assert len(hub.sent("POST /api/validate-yaml")) >= 3


def ask_elsewhere():
    from urllib.request import urlopen

    try:
        urlopen("http://example.com/page")
    except OSError as error:
        return str(error)


def test_a_client_process_sees_nothing_but_the_hub(hub, tmp_path):
    assert run_client(ask_elsewhere, hub=hub, home=tmp_path) == "HTTP Error 404: Not Found"
    assert hub.requests == [("GET", "http://example.com/page")]
