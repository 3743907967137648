"""Names and facts of real people, perhaps: they leave the machine only if somebody says so."""

import shutil

import run_pretrain
from data_builder.source import Source
from hub_cards.background import BackgroundPublisher
from settings.hub import HubSettings
from tests.helpers.hub_toys import Client
from tests.helpers.pretraining import NANO
from tests.helpers.toys import ADA, table


def test_own_people_are_published_only_if_somebody_says_so(hub, finished, tmp_path):
    run, client = shutil.copytree(finished, tmp_path / "run"), Client(hub, tmp_path / "home")
    Source.load(run / "dataset").with_individuals(table(tmp_path / "mine.csv", ADA)).save(run / "dataset")
    push = (
        "--push_to_hub",
        "--hub_model_id",
        "me/live",
        "--dataset",
        run / "dataset",
        "--output_dir",
        tmp_path / "new",
    )
    train, publish = (run_pretrain.main, NANO, *push), ("publish", run, "--repo", "me/facts")
    data = ("publish-dataset", run / "dataset", "--repo", "me/people")
    told = "this would upload names and facts, such as birth dates, of 1 own people; if it may, add --with_own_people\n"
    for done in (client.hub_cards(*publish, code=2), client.hub_cards(*data, code=2), client.call(*train, code=2)):
        assert done.stderr.splitlines(keepends=True)[-1] == f"error: {told}"
    assert not hub.requests
    assert not (tmp_path / "new").exists()
    client.hub_cards(*publish, "--with_own_people")
    client.hub_cards(*data, "--with_own_people")
    assert b"Ada" in hub.repo("me/facts").files()["dataset/source/new_individuals.csv"]
    hub.fail("POST .*/commit/", times=1000, kind="403")
    agreed = HubSettings(hub_model_id="me/live", with_own_people=True)
    said = client.call(lambda _: BackgroundPublisher(run, agreed, 1).finish()).stdout
    assert "python -m hub_cards publish" in said
    assert said.endswith(" --with_own_people\n")
