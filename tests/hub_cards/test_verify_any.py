"""`verify` of repositories that others made: a sound one, and each fault planted alone."""

import json

import pytest
import torch
from safetensors.torch import save

from hub_cards.spacing import missing_steps
from hub_cards.step_revisions import step_of
from tests.helpers.hub_store import Blob, Repo
from tests.helpers.hub_toys import Client

STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, *range(1000, 9001, 1000))  # as Pythia's


def files(seed, **others):
    weights = save({"embed": torch.full((4, 8), float(seed)), "head": torch.ones(3)})
    return {"model.safetensors": Blob(weights, lfs=True), "config.json": Blob(b"{}")} | others


@pytest.fixture
def repo(hub):
    made = hub.repos["model", "you/pythia"] = Repo("model", "you/pythia", False, "you")
    made.add("main", files(9000), "you", "final")
    for step in STEPS:
        made.add(f"step{step}", files(step), "you", f"step {step}")
    return made


def remove(*steps):
    return lambda repo: [repo.branches.pop(f"step{step}") for step in steps]


def put(branch, blobs):
    return lambda repo: repo.add(branch, blobs, "you", "by hand")


def tag(name, branch):
    return lambda repo: repo.tags.update({name: repo.branches[branch]})


class OtherSum(Blob):
    """A file whose content is not what the Hub says it is."""

    @property
    def etag(self):
        return "0" * 64


WHOLE = files(3)["model.safetensors"].data
INDEX = Blob(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}).encode())
FAULTS = {
    "a sound one": (lambda repo: None, []),
    "another training beside it": (put("seed2-step1000", files(77)), []),
    "a tag for a branch": (tag("step-001000", "step1000"), []),
    "the same weights under two names": (put("step2000", files(3000)), ["step2000, step3000: the same weights"]),
    "the same weights as a tag": (tag("step1500", "step1000"), ["step1000, step1500: the same weights"]),
    "steps missing": (
        remove(64, 3000, 5000),
        ["no step 64, though there is one by a factor of 2 otherwise",
         "no step 3,000, 5,000, though there is one every 1,000 steps otherwise"],
    ),
    "no weights": (put("step4", {"config.json": Blob(b"{}")}), ["step4: no weights"]),
    "optimizers alone": (
        put("step4", {"optimizers.safetensors": files(4)["model.safetensors"], "training_args.bin": Blob(b"1")}),
        ["step4: no weights"],
    ),
    "cut off": (
        put("step8", files(8) | {"model.safetensors": Blob(WHOLE[:-4], lfs=True)}),
        [f"step8: model.safetensors has {len(WHOLE) - 4} bytes, but its header tells of {len(WHOLE)}"],
    ),
    "cut off early": (
        put("step8", files(8) | {"model.safetensors": Blob(WHOLE[:20], lfs=True)}),
        ["step8: model.safetensors has no header of a safetensors file"],
    ),
    "a pointer in place of a file": (
        put("step8", files(8) | {"model.safetensors": Blob(b"version https://git-lfs.github.com/spec/v1", lfs=True)}),
        ["step8: model.safetensors has no header of a safetensors file"],
    ),
    "main cut off": (
        put("main", files(8) | {"model.safetensors": Blob(WHOLE[:-4], lfs=True)}),
        [f"main: model.safetensors has {len(WHOLE) - 4} bytes, but its header tells of {len(WHOLE)}"],
    ),
    "a part missing": (
        put("step16", {"model-1.safetensors": files(16)["model.safetensors"], "model.safetensors.index.json": INDEX}),
        ["step16: model-2.safetensors is missing, though model.safetensors.index.json names it"],
    ),
    "a tag that means another model": (
        tag("step-001000", "step9000"),
        ["branch step1000 and tag step-001000: one step, but other weights", "step9000, step-001000: the same weights"],
    ),
    "a branch and a tag of one name": (
        lambda repo: (tag("step4000", "step4000")(repo), put("step4000", files(4000, note=Blob(b"new")))(repo)),
        ["branch step4000 and tag step4000: one name, but other commits"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_told_and_nothing_else(hub, repo, tmp_path, fault):
    plant, problems = FAULTS[fault]
    plant(repo)
    client = Client(hub, tmp_path, token=None)
    done = client.hub_cards("verify", "you/pythia", code=2 if problems else 0)
    steps = 21 if fault == "another training beside it" else 20
    assert done.stdout.splitlines() == (problems or [f"you/pythia: {steps} steps, nothing wrong"])


def test_content_is_compared_with_checksums_on_request(hub, repo, tmp_path):
    put("step32", files(32) | {"model.safetensors": OtherSum(files(33)["model.safetensors"].data, lfs=True)})(repo)
    client = Client(hub, tmp_path, token=None)
    assert "nothing wrong" in client.hub_cards("verify", "you/pythia").stdout
    said = client.hub_cards("verify", "you/pythia", "--download", code=2).stdout
    assert said == "step32: model.safetensors is not what the Hub's checksum says\n"


def test_each_commit_is_asked_for_once_and_no_weights_are_fetched(hub, repo, tmp_path):
    for step in STEPS:
        tag(f"step-{step:06d}", f"step{step}")(repo)
    Client(hub, tmp_path, token=None).hub_cards("verify", "you/pythia")
    asked = [path for _, path in hub.requests]
    assert sum("/tree/" in path for path in asked) == len(STEPS) + 1
    assert sum("/resolve/" in path for path in asked) == len(STEPS)


def test_states_under_tags_of_a_published_run(hub, finished, tmp_path):
    client = Client(hub, tmp_path)
    client.hub_cards("publish", finished, "--repo", "me/facts")
    repo = hub.repo("me/facts")
    repo.tags["step10"] = repo.branches["step-000020"]
    del repo.tags["step20"]
    said = client.hub_cards("verify", "me/facts", code=2).stdout.splitlines()
    assert said[:2] == ["step-000010: the tag step10 is elsewhere", "step-000020: the tag step20 is missing"]
    assert "branch step-000010 and tag step10: one step, but other weights" in said
    client.hub_cards("publish", finished, "--repo", "me/facts")
    assert "every revision is as its manifest says" in client.hub_cards("verify", "me/facts").stdout


def test_a_repository_without_steps_is_told_so(hub, tmp_path):
    hub.repos["model", "you/plain"] = Repo("model", "you/plain", False, "you")
    said = Client(hub, tmp_path, token=None).hub_cards("verify", "you/plain", code=2).stdout
    assert said == "no branch or tag is a step of a training, as step500 is\n"


@pytest.mark.parametrize(
    ("steps", "missing"),
    [
        (STEPS, []),
        (sorted({*STEPS} - {64, 3000, 5000}), [64, 3000, 5000]),
        (sorted({*range(0, 143_001, 1000)} - {116_000}), [116_000]),
        ([0, 1, 2, 3, 5, 7, 10, 15, 22, 32, 46, 68, 100, 147, 215, 316, 464, 681, 1000], []),  # so many in each tenfold
        (sorted({*range(100, 1501, 100), 50, 339} - {700}), [700]),
        ([10, 20], []),
        ([0, 50_000, *range(51_000, 56_000, 1000)], []),
        ([5], []),
        ([], []),
    ],
)
def test_a_row_that_is_regular_otherwise_tells_what_is_missing(steps, missing):
    assert list(missing_steps(steps)) == missing


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("step500", ("", 500)), ("step-000500", ("", 500)), ("step1000-tokens4B", ("", 1000)),
        ("stage1-step1000-tokens3B", ("stage1-", 1000)), ("checkpoint-500", ("", 500)), ("global_step100", ("", 100)),
        ("main", None), ("run-0123456789ab", None), ("last-checkpoint", None), ("step", None), ("footstep1", None),
    ],
)  # fmt: skip
def test_names_tell_the_step(name, step):
    assert step_of(name) == step
