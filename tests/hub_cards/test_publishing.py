"""Runs and datasets through a loopback Hub, with the real clients, each with caches of its own."""

import json
import shutil

import pytest
import yaml
from safetensors.torch import load_file

import run_pretrain
from data_builder.builder import CONFIGURATIONS
from data_builder.directory import build_directory
from data_builder.fetch import find_dataset
from data_builder.source import Source
from data_builder.tokenizer import train_tokenizer
from run_directory.manifests import sha256
from settings.data import DataSettings
from tests.helpers.hub_server import HubServer
from tests.helpers.hub_store import Blob
from tests.helpers.hub_toys import Client
from tests.helpers.pretraining import NANO, same, weights
from tests.helpers.toys import files_of, stream_of

PEOPLE = DataSettings(n_individuals=64, n_unseen=32, n_new=0, entries_per_list=12)


@pytest.fixture(scope="module")
def published(finished, tmp_path_factory):
    """The run and its people on a Hub, sent by the command."""
    with HubServer() as server:
        client = Client(server, tmp_path_factory.mktemp("home"))
        words = ("publish", finished, "--repo", "me/facts", "--dataset_repo", "me/people")
        assert client.run("-m", "hub_cards", *words).stdout.endswith("me/facts: 4 sent\n")
        yield server


@pytest.fixture
def client(published, tmp_path):
    return Client(published, tmp_path / "home", token=None)


STEPS = {"step-000010", "step-000020"}


def test_every_checkpoint_is_a_branch_and_main_is_the_final_model(published, finished, tmp_path):
    repo = published.repo("me/facts")
    assert published.repo("me/facts").branches.keys() == STEPS | {"main"}
    for branch, folder in (("main", finished), ("step-000010", finished / "checkpoint-10")):
        files = repo.files(branch)
        assert files["model.safetensors"] == (folder / "model.safetensors").read_bytes()
        assert {"config.json", "tokenizer.json", "manifest.json"} <= files.keys()
    assert json.loads(repo.files("step-000010")["metrics.json"])["step"] == 10
    assert "optimizers.safetensors" not in repo.files("step-000010")
    assert "README.md" not in repo.files("step-000010")
    assert {"README.md", "metrics.jsonl", "config.yaml", "figures/learning_curve.png"} <= repo.files("main").keys()
    before, words = len(published.received_commits), ("--repo", "me/facts", "--dataset_repo", "me/people")
    again = Client(published, tmp_path).hub_cards("publish", finished, *words).stdout  # sends nothing
    assert ("everything was there already" in again, len(published.received_commits)) == (True, before)
    assert repo.tags.keys() == {"step10", "step20", f"run-{sha256(repo.files('main')['manifest.json'])[:12]}"}
    assert all(repo.tags[f"step{n}"] is repo.branches[f"step-0000{n}"] for n in (10, 20))


def test_nothing_private_is_published(published, finished):
    for repo in published.repos.values():
        for commit in repo.commits.values():
            for path, blob in commit.blobs.items():
                for secret in (b"hf_write", str(finished.parent).encode()):
                    assert secret not in blob.data, path
    config = yaml.safe_load(published.repo("me/facts").files("main")["config.yaml"])
    assert "output_dir" not in config
    assert config["preset"] == "nano"


def test_stock_transformers_loads_the_model_as_it_was_at_a_step(client, finished):
    hashes = client.python(
        "import json\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        "sums = {}\n"
        "for revision in ('main', 'step-000010', 'step20'):\n"
        "    model = AutoModelForCausalLM.from_pretrained('me/facts', revision=revision)\n"
        "    tokenizer = AutoTokenizer.from_pretrained('me/facts', revision=revision)\n"
        "    sums[revision] = [model.lm_head.weight.double().sum().item(), tokenizer('in').input_ids]\n"
        "print(json.dumps(sums))"
    )
    for revision, folder in (("step-000010", "checkpoint-10"), ("step20", "checkpoint-20"), ("main", ".")):
        weights = load_file(finished / folder / "model.safetensors")["transformer.wte.weight"]
        assert hashes[revision][0] == weights.double().sum().item()
    assert len({value for value, _ in hashes.values()}) == 2


READ = """
import json
from datasets import load_dataset
kind = dict(split="validation", revision={revision!r})
rows = load_dataset("me/people", "64-biographies", **kind)
streamed = list(load_dataset("me/people", "64-biographies", streaming=True, **kind)) if {stream} else rows.to_list()
assert streamed == rows.to_list()
print(json.dumps([rows[0]["text"], len(rows), load_dataset("me/people", "64-population")["unseen"].num_rows]))
"""


def test_datasets_are_loaded_streamed_and_loaded_again_offline(published, tmp_path):
    online = Client(published, tmp_path / "home", token=None)
    text, rows, unseen = online.python(READ.format(revision="main", stream=True))
    assert (rows, unseen) == (64, 32)
    offline = Client(published, tmp_path / "home", token=None, HF_HUB_OFFLINE="1")
    asked = len(published.requests)
    assert offline.python(READ.format(revision="main", stream=False))[0] == text
    assert len(published.requests) == asked


def batches(words):
    """People and the first batches of a dataset."""
    source = Source.load(find_dataset(*words))
    stream = stream_of(source, train_tokenizer(source.pieces()))
    ids = b"".join(stream.batch(step, 8)["input_ids"].numpy().tobytes() for step in range(100))
    print(source.digest(), sha256(ids))


def test_a_shared_dataset_gives_the_same_batches_and_the_same_run(client, finished, tmp_path):
    local = client.call(batches, finished / "dataset").stdout
    assert client.call(batches, "me/people").stdout == client.call(batches, "me/people", "64", "main").stdout == local
    client.call(run_pretrain.main, NANO, "--dataset", "me/people", "--output_dir", tmp_path / "run")
    assert same(weights(tmp_path / "run"), weights(finished))


def test_populations_lie_side_by_side(hub, tmp_path):
    client = Client(hub, tmp_path / "home")
    for size in (1000, 64):
        build_directory(DataSettings(**vars(PEOPLE) | {"n_individuals": size}), tmp_path / str(size))
        client.hub_cards("publish-dataset", tmp_path / str(size), "--repo", "me/people")
    card = yaml.safe_load(hub.repo("me/people", "dataset").files()["README.md"].decode().split("---")[1])
    names = [config["config_name"] for config in card["configs"]]
    assert names == [f"{size}-{kind}" for size in ("1k", "64") for kind in CONFIGURATIONS]
    assert [config["config_name"] for config in card["configs"] if config.get("default")] == ["1k-biographies"]
    sizes = client.python(
        "import json\nfrom datasets import load_dataset\n"
        "print(json.dumps([load_dataset('me/people', f'{n}-biographies', split='train').num_rows for n in ('1k', 64)]))"
    )
    assert sizes == [1000, 64]
    several = client.call(run_pretrain.main, NANO, "--dataset", "me/people", "--output_dir", tmp_path / "run", code=2)
    assert "holds the populations 1k, 64; choose with --dataset_name" in several.stderr
    other = DataSettings(**vars(PEOPLE) | {"population_seed": 1})
    build_directory(other, tmp_path / "other")
    refused = client.hub_cards("publish-dataset", tmp_path / "other", "--repo", "me/people", code=2)
    assert "has other people under the name 64, or these as another version made them; choose" in refused.stderr


def test_damaged_checkpoints_are_named_and_no_manifest_on_the_hub_is_believed(hub, finished, tmp_path):
    run, client = shutil.copytree(finished, tmp_path / "run"), Client(hub, tmp_path / "home")
    (run / "checkpoint-20" / "config.json").write_text("{}")
    line = "left out, damaged (not as their manifests say): checkpoint-20\n"
    assert line in client.hub_cards("publish", run, "--repo", "me/facts").stdout
    repo = hub.repo("me/facts")
    good = repo.files("main")["manifest.json"]
    texts = [b"[]", b"3", b"{}", b'{"files": 3}', b'{"files": {"a": 3}}', b"[" * 100_000, b"\xff", b""]
    for text in [*texts, json.dumps(json.loads(good) | {"revisions": [1]}).encode()]:
        repo.add("main", repo.branches["main"].blobs | {"manifest.json": Blob(text)}, "me", "by hand")
        assert "main: no manifest\n" in client.hub_cards("verify", "me/facts", code=2).stdout
    assert client.hub_cards("publish", run, "--repo", "me/facts").stdout.count("published") == 1
    assert repo.files("main")["manifest.json"] == good


NAMES = ["a/b", "a:b", "64k?", "..", ".", "../a", "/a", "", " ", "a b", "a\nb", "a\n", "- a", "{a}", "a#b", "*", "<b>",
         "a|b", "a\\b", "-a", "ä", "a" * 65]  # fmt: skip


def test_names_of_configurations_are_checked_before_anything_is_sent(hub, finished, tmp_path):
    client = Client(hub, tmp_path / "home")
    words = ("publish-dataset", finished / "dataset", "--repo", "me/people")
    for name in NAMES:
        said = client.hub_cards(*words, f"--name={name}", code=2).stderr
        assert said.count("\n") == 1, name
        assert "a population's name is up to 64 letters" in said
    assert not hub.requests
    client.hub_cards(*words, "--name", "64k-Mine_2.0")
    assert "64k-Mine_2.0/source/settings.yaml" in hub.repo("me/people", "dataset").files()


def test_a_folder_within_another_is_no_population(hub, finished, tmp_path):
    client = Client(hub, tmp_path / "home")
    client.hub_cards("publish-dataset", finished / "dataset", "--repo", "me/people")
    repo = hub.repo("me/people", "dataset")
    blobs = repo.branches["main"].blobs
    repo.add("main", blobs | {"a/b/source/settings.yaml": blobs["64/source/settings.yaml"]}, "me", "by hand")
    assert (
        "everything was there"
        in client.hub_cards("publish-dataset", finished / "dataset", "--repo", "me/people").stdout
    )


def test_private_repositories_are_for_their_owner(hub, finished, tmp_path):
    owner = Client(hub, tmp_path / "owner")
    owner.hub_cards("publish", finished, "--repo", "me/secret", "--dataset_repo", "me/hidden", "--private")
    assert all(repo.private for repo in hub.repos.values())
    assert "every revision is as its manifest says" in owner.hub_cards("verify", "me/secret").stdout
    stranger = Client(hub, tmp_path / "stranger", token="hf_other")
    refused = stranger.hub_cards("verify", "me/secret", code=2).stderr
    assert refused == "error: there is no repository me/secret, or this token has no access to it\n"


def test_verify_finds_wrong_missing_and_duplicate_revisions(hub, finished, tmp_path):
    client = Client(hub, tmp_path / "home")
    client.hub_cards("publish", finished, "--repo", "me/facts")
    assert "every revision is as its manifest says" in client.hub_cards("verify", "me/facts").stdout
    repo = hub.repo("me/facts")
    ten, twenty = repo.branches["step-000010"].blobs, repo.branches["step-000020"].blobs
    changed = {**twenty, "config.json": ten["manifest.json"]}
    del changed["tokenizer.json"]
    repo.add("step-000020", {**changed, "extra.txt": ten["config.json"]}, "me", "mix-up")
    repo.add("step-000030", ten, "me", "duplicate")
    del repo.branches["step-000010"], repo.tags["step10"]
    said = client.hub_cards("verify", "me/facts", code=2).stdout.splitlines()
    assert said == [
        "step-000020: config.json differs from the manifest",
        "step-000020: extra.txt is not in the manifest",
        "step-000020: tokenizer.json is missing",
        "step-000010: missing, though main names it",
        "step-000030: main does not name it",
        "step-000020: the tag step20 is elsewhere",
        "step-000030: the tag step30 is missing",
    ]
    repo.add("step-000031", ten, "me", "duplicate")
    assert "step-000030, step-000031: the same weights" in client.hub_cards("verify", "me/facts", code=2).stdout
    client.hub_cards("publish", finished, "--repo", "me/facts")
    assert {"step-000010"} <= hub.repo("me/facts").branches.keys()


def test_a_table_that_went_into_other_files_replaces_those_of_before(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("data_builder.builder.BLOCK", 10)
    monkeypatch.setattr("data_builder.builder._BLOCKS_OF_GROUP", 1)
    client, shapes = Client(hub, tmp_path / "home"), {"many": "1KB", "few": "20KB", "one": "500MB"}
    for shape, size in shapes.items():
        build_directory(PEOPLE, tmp_path / shape, max_shard_size=size)
        said = client.hub_cards("publish-dataset", tmp_path / shape, "--repo", "me/people").stdout
        assert "published me/people" in said
        there = {path for path in hub.repo("me/people", "dataset").files() if path.startswith("64/")}
        assert there == {f"64/{path}" for path in files_of(tmp_path / shape) if len(path.parts) > 1}
    n_files = [len(list((tmp_path / shape).rglob("biographies-train-*.parquet"))) for shape in shapes]
    assert n_files[0] > n_files[1] > n_files[2]


def test_a_directory_older_than_the_questions_is_published_with_them(hub, tmp_path):
    client = Client(hub, tmp_path / "home")
    build_directory(PEOPLE, tmp_path / "old", biographies_per_individual=2)
    told = files_of(tmp_path / "old")
    for folder in ("questions", "lm_eval"):
        shutil.rmtree(tmp_path / "old" / folder)
    for said in ("published me/people", "everything was there already"):
        assert said in client.hub_cards("publish-dataset", tmp_path / "old", "--repo", "me/people").stdout
    names = {path.removeprefix("64/") for path in hub.repo("me/people", "dataset").files() if path.startswith("64/")}
    expected = {str(path).replace("-2.parquet", "-1.parquet") if path.parts[0] == "questions" else str(path)
                for path in told if len(path.parts) > 1}  # fmt: skip
    assert names == expected
