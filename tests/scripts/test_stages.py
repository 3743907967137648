"""Fine-tuning a fine-tuned model, again and again: each stage is a run, and knows whom those before it taught."""

import shutil

import pytest

import evaluation.__main__ as quiz
from command_line import UserError
from data_builder.population import groups_of_run, not_taught
from data_builder.source import Source
from data_builder.stages import taught
from hub_cards.cards import model_card
from run_directory.records import load_run
from tests.helpers.finetuning import finetune
from tests.helpers.hub_toys import Client
from tests.helpers.pretraining import TIMES, pretrain, records, same, weights

PEOPLE = {"seen": range(0, 64), "unseen": range(64, 96), "new": range(96, 112)}


@pytest.fixture(scope="module")
def first(trained, tmp_path_factory):
    return finetune(tmp_path_factory.mktemp("stages") / "first", trained, n_individuals_finetune=6, save_steps=6)


@pytest.fixture(scope="module")
def second(first, tmp_path_factory):
    run = tmp_path_factory.mktemp("stages") / "second"
    return finetune(run, first.path, n_individuals_finetune=4, weight_replay_finetune=0.5, save_steps=6)


def test_a_stage_teaches_the_next_people_and_measures_those_before(first, second):
    groups = Source.load(second.path / "dataset").population.groups
    assert taught(first.config, groups) == [range(96, 102)]
    assert taught(second.config, groups) == [range(96, 102), range(102, 106)]
    before, after = first.records[-1], second.records[0]
    assert after["stage1_attribute_loss"] == pytest.approx(before["new_attribute_loss"], rel=1e-5)
    assert after["seen_attribute_loss"] == pytest.approx(before["seen_attribute_loss"], rel=1e-5)
    assert "stage2_attribute_loss" not in after
    assert after["n_drawable"] == 64 + 6 + 4


def test_a_third_stage_names_all_before_it_and_goes_on_after_a_stop(second, tmp_path):
    settings = {"n_individuals_finetune": 6, "weight_replay_finetune": 1, "replay_stages": [1, 2], "save_steps": 6}
    third = finetune(tmp_path / "third", second.path, **settings)
    assert [stage["individuals"] for stage in third.config["environment"]["stages"]] == [[96, 102], [102, 106]]
    assert third.records[0]["n_drawable"] == 6 + 4 + 6
    assert {"stage1_bits", "stage2_bits", "new_bits"} <= third.records[-1].keys()
    cut = shutil.copytree(third.path, tmp_path / "cut", ignore=shutil.ignore_patterns("checkpoint-12", "model.*"))
    shutil.copytree(third.path / "checkpoint-6", cut / "checkpoint-6", dirs_exist_ok=True)
    finetune(cut, second.path, **settings, resume_from_checkpoint="latest")
    assert same(weights(third.path), weights(cut))
    assert records(third.path, *TIMES) == records(cut, *TIMES)
    with pytest.raises(UserError, match="no new people whom no stage before taught"):
        finetune(tmp_path / "fourth", third.path)


def test_own_people_come_after_a_stage_without_taking_the_place_of_its_people(first, tmp_path):
    rows = "\n".join(
        f"Zoe{n} Own Person,1 May 19{n},London,Harvard University,Mathematics,Works,Paris" for n in range(60, 69)
    )
    table = tmp_path / "mine.csv"
    table.write_text(f"name,birth_date,birth_place,university,major,company,location\n{rows}\n")
    run = finetune(tmp_path / "own", first.path, new_individuals=table, n_individuals_finetune=7, save_steps=6)
    groups = Source.load(run.path / "dataset").population.groups
    assert groups["new"] == range(112, 121)
    assert taught(run.config, groups) == [range(96, 102), range(112, 119)]
    cut = shutil.copytree(run.path, tmp_path / "cut", ignore=shutil.ignore_patterns("checkpoint-12"))
    options = {"new_individuals": table, "n_individuals_finetune": 7, "save_steps": 6}
    finetune(cut, first.path, **options, resume_from_checkpoint="checkpoint-6")
    assert same(weights(run.path), weights(cut))


def test_a_stage_of_rare_people_goes_on_where_it_ended_and_celebrities_stay_celebrities(tmp_path):
    celebrities = ("--schedule", "celebrities", "--n_celebrities", 40, "--n_new", 16)
    pretrain(tmp_path / "base", *celebrities)
    rare = finetune(tmp_path / "rare", tmp_path / "base", individuals_finetune="rare", n_individuals_finetune=8)
    after = finetune(tmp_path / "after", rare.path, n_individuals_finetune=4).records[0]
    assert after["stage1_attribute_loss"] == pytest.approx(rare.records[-1]["rare_attribute_loss"], rel=1e-5)
    with pytest.raises(UserError, match="n_individuals_finetune is 17; it must be from 1 to 16"):
        finetune(tmp_path / "more", rare.path, individuals_finetune="rare", n_individuals_finetune=17)


def test_a_model_of_several_stages_is_asked(second, capsys):
    quiz.main([str(second.path), "--people", "1"])
    said = capsys.readouterr().out
    assert "stage1 people, held-out wording" in said
    assert "(in the data of an earlier fine-tuning)" in said


def test_the_card_shows_the_chain(hub, trained, first, second, tmp_path):
    user, run = Client(hub, tmp_path), tmp_path / "from_hub"
    user.hub_cards("publish", trained, "--repo", "me/base")
    begun = finetune_from(user, tmp_path / "one", "me/base", 6)
    user.hub_cards("publish", begun, "--repo", "me/one")
    card = model_card(load_run(finetune_from(user, run, "me/one", 4)), "me/two")
    chain = ("0. pre-training on people: me/base", "1. fine-tuning on 6 people: me/one")
    assert "\n".join((*chain, "2. fine-tuning on 4 people: this one")) in card
    assert "| people of stage 1 (fine-tuned on) |" in card
    assert "1. fine-tuning on 6 people: a run that was not published" in model_card(second, "me/local")
    assert "in stages" not in model_card(first, "me/local")


def finetune_from(user, run, repository, n_people):
    import run_finetune
    from tests.helpers.finetuning import arguments

    user.call(run_finetune.main, *arguments(run, model=repository, n_individuals_finetune=n_people))
    return run


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"n_individuals_finetune": 11}, "from 1 to 10, which this population has left after the stages before"),
        ({"weight_replay_finetune": 1, "replay_stages": [2]}, r"has stages 0 \(pre-training\) to 1"),
    ],
)
def test_what_no_stage_can_be_is_one_line(first, tmp_path, settings, line):
    with pytest.raises(UserError, match=line):
        finetune(tmp_path / "run", first.path, **settings)
    assert not (tmp_path / "run").exists()


def test_a_stage_with_the_people_of_another_run_is_refused(first, finished, tmp_path):
    run = shutil.copytree(first.path, tmp_path / "first")
    shutil.rmtree(run / "dataset")
    shutil.copytree(finished / "dataset", run / "dataset")  # it has no new people
    with pytest.raises(UserError, match="its dataset/ does not have; it is that of another run"):
        finetune(tmp_path / "second", run)


def test_stages_take_people_in_their_order():
    stages = [range(96, 102), range(60, 64), range(102, 104)]
    assert not_taught(PEOPLE, "new", stages) == range(104, 112)
    assert not_taught(PEOPLE, "rare", stages) == range(0, 60)
    groups = groups_of_run(PEOPLE, "rare", 10, stages)
    assert groups == {"seen": range(0, 50), "stage1": stages[0], "stage2": stages[1], "stage3": stages[2],
                      "rare": range(50, 60), "unseen": PEOPLE["unseen"]}  # fmt: skip
    own = PEOPLE | {"new": range(112, 115)}  # own people, added after a stage
    assert groups_of_run(own, "new", 3, stages)["new"] == range(112, 115)
