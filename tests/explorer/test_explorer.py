"""What the explorer computes and shows, without a browser."""

import re
import shutil
import socket

import numpy as np
import pytest
import torch

from command_line import UserError
from evaluation.questions import Values, likeliest, next_log_probabilities, prompt_tokens
from explorer import panels, views
from explorer.__main__ import check_port, main, warm
from explorer.charts import line_chart
from explorer.page import linked, titles
from explorer.source import Explored
from explorer.views import Lines
from tests.helpers.hub_toys import Client
from tests.helpers.pretraining import pretrain

MARKUP = (
    "name,birth_date,birth_place,university,major,company,location\n"
    "Ada <script> *B*,10 December 1915,London,Harvard University,mathematics,Works,Paris\n"
)


@pytest.fixture(scope="module")
def explored(finished):
    return Explored(str(finished))


def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "mine")


def text_of(html):
    return " ".join(re.sub("<[^>]+>", " ", html).split())


def test_a_run_is_opened_with_all_its_checkpoints(explored):
    assert explored.steps == [10, 20]
    assert explored.notices == []
    assert explored.title == "finished"
    assert explored.nearest_step(12) == 10


def test_the_likeliest_values_are_those_of_scoring_each_value(explored):
    model, prompts = explored.model(20).requires_grad_(False), prompt_tokens(explored.source, explored.stream.tables, 3)
    for attribute in (1, 3):
        values = explored.values[attribute]
        scores = {}
        for tokens, value in values.ends.items():
            text = torch.tensor([[*prompts[attribute], *tokens]])
            log_p = model(input_ids=text).logits[0].log_softmax(-1)
            at = len(prompts[attribute]) - 1
            scores[value] = sum(float(log_p[at + i, token]) for i, token in enumerate(tokens))
        best = sorted(scores, key=lambda value: -scores[value])[:5]
        found, entropy = likeliest(model, prompts[attribute], values)
        assert [value for value, _ in found] == best
        np.testing.assert_allclose([p for _, p in found], np.exp([scores[v] for v in best]), rtol=1e-4)
        log_p = next_log_probabilities(model, [prompts[attribute]])[0]
        assert entropy == pytest.approx(float(torch.distributions.Categorical(logits=log_p).entropy()), rel=1e-4)


def test_a_tree_of_values_leads_to_each_of_them(explored):
    tables = explored.stream.tables
    values = Values(tables, 0, 10)
    assert sorted(values.ends.values()) == [*range(10)]


def test_prompts_are_the_text_of_the_questions(explored):
    asked = [answer.question.prompt for answer in views.interview(explored, 20, 5)]
    tokens = prompt_tokens(explored.source, explored.stream.tables, 5)
    assert [explored.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in tokens] == asked


def test_an_individual_is_asked_in_wording_held_out_for_it(explored):
    page = panels.individual(explored, 20, 5)
    answer = views.interview(explored, 20, 5)[2]
    assert explored.names[5] in text_of(page)
    assert f"<mark>{answer.question.truth}</mark>" in page
    assert page.count("<section") == 6
    assert f"read of this individual {explored.times_drawn(20, 5)} times by step 20" in text_of(page)


def test_how_often_somebody_was_drawn_is_told_of_everybody_and_by_step(explored):
    recorded = explored.run.individuals
    for person, times in zip(recorded["individual"], recorded["times_drawn"], strict=True):
        assert explored.times_drawn(20, person) == times
        assert explored.times_drawn(10, person) <= times
    people = explored.source.population.groups
    assert sum(explored.times_drawn(10, person) for person in people["seen"]) == 10 * 8
    assert explored.times_drawn(20, people["unseen"].start) == 0
    assert "read of this individual" not in panels.individual(explored, 20, people["unseen"].start)


def test_the_first_answer_is_there_before_it_is_asked_for(finished):
    cold = Explored(str(finished))
    warm(cold)
    assert cold.model.cache_info().currsize == 1
    asked = views.interview.cache_info().misses
    panels.individual(cold, 20, 0)
    assert views.interview.cache_info().misses == asked


def test_a_twin_is_unseen_and_shares_most_of_the_name(explored):
    who, population = views.twin(explored, 5), explored.source.population
    shared = (population.names == population.names[5]).sum(1)
    assert shared[who] == shared[list(population.groups["unseen"])].max()
    assert views.twin(explored, who) == who
    for attribute, (answer, owners, number) in enumerate(views.owners(explored, 20, who)):
        true_of = [i for i in population.groups["seen"] if population.values[i, attribute] == answer.value]
        assert number == len(true_of)
        assert {name for name, _ in owners} <= {explored.names[i] for i in true_of}
        assert [parts for _, parts in owners] == sorted((parts for _, parts in owners), reverse=True)


def test_risk_and_coverage_follow_the_threshold(explored):
    everything, nothing = (views.confidence(explored, 20, threshold) for threshold in (0, 1))
    assert everything.given == {"seen": 1, "unseen": 1, "both": 1}
    assert everything.wrong["both"] == pytest.approx(everything.risk[-1])
    assert nothing.given["both"] == 0
    assert nothing.wrong["both"] is None
    assert all(counts.sum() == pytest.approx(1) for counts in everything.counts.values())
    assert "–" in panels.confidence(explored, 20, 1)


def test_attention_is_that_of_the_token_before_a_value(explored):
    found = views.attended(explored, 20, 5)
    np.testing.assert_allclose(found.shares.sum(-1), 1, rtol=1e-4)
    assert {*found.kinds} == {"name", "text", "value"}
    assert found.kinds[-1] != "value"
    assert found.value


def test_a_prompt_is_continued_as_generate_does(explored):
    prompt = "The birth place of"
    inputs = explored.tokenizer(prompt, return_tensors="pt")
    output = explored.model(20).generate(**inputs, max_new_tokens=16, do_sample=False)[0]
    expected = output[inputs["input_ids"].shape[1] :]
    found = views.completed(explored, 20, prompt)
    assert [step[0][0] for step in found] == [explored.tokenizer.decode([token]) for token in expected.tolist()]
    assert all(step[0][1] >= step[1][1] for step in found)


@pytest.mark.parametrize(("prompt", "line"), [("  ", "type the beginning"), ("Ada " * 2000, "more than the")])
def test_a_prompt_that_cannot_be_continued_is_told_in_its_place(explored, prompt, line):
    assert line in panels.panel("Prompt", explored, 20, 0, 0.5, prompt, [explored])


def test_a_search_finds_words_in_any_order(explored):
    first, *_, last = explored.names[7].split()
    assert 7 in views.search(explored, f"{last.lower()} {first.upper()}")
    assert views.search(explored, "nobody is called so") == []


def test_curves_show_phases_and_the_step(explored):
    page = panels.curves(explored, 10)
    assert "step <b>10</b>" in page
    assert 'aria-label="attribute loss (nats) over steps, at step 10: seen' in page
    assert page.count("<svg") == 3


def test_runs_side_by_side_show_what_differs_and_no_path(finished, tmp_path):
    other = copy(finished, tmp_path)
    config = other / "config.yaml"
    config.write_text(config.read_text().replace("learning_rate: 0.003", "learning_rate: 0.001"))
    both = [Explored(str(finished)), Explored(str(other))]
    page = panels.panel("Compare", both[0], 20, 0, 0.5, "", both)
    assert '<th scope="row">learning_rate</th><td>0.003</td><td>0.001</td>' in page
    assert str(tmp_path) not in page
    assert "name several to compare" in panels.panel("Compare", both[0], 20, 0, 0.5, "", both[:1])


def test_an_address_that_says_nothing_that_exists_shows_the_last_step(explored):
    named = titles([explored, explored])
    assert [*named] == ["finished", "finished (2)"]
    full = {"run": "finished (2)", "step": "11", "view": "Attention", "who": "5"}
    assert linked(named, full) == ("finished (2)", 10, "Attention", 5)
    wrong = {"run": "../../etc", "step": "-1", "view": "<b>", "who": "9999999"}
    assert linked(named, wrong) == ("finished", 20, "Individual", 0)


def test_names_and_prompts_are_shown_as_text(tmp_path):
    people = tmp_path / "people.csv"
    people.write_text(MARKUP)
    run = tmp_path / "run"
    pretrain(run, "--new_individuals", people, "--max_steps", 2, "--eval_steps", 2, "--save_steps", 2)
    explored = Explored(str(run))
    ada = explored.source.population.groups["new"][0]
    assert explored.names[ada].startswith("Ada <script> *B*")
    for view in panels.VIEWS:
        page = panels.panel(view, explored, 2, ada, 0.5, "<script>alert(1)</script>", [explored])
        assert "<script" not in page
        if view in ("Individual", "Attention"):
            assert "Ada &lt;script&gt; *B*" in page


def test_a_damaged_checkpoint_is_left_out_with_a_notice(finished, tmp_path):
    run = copy(finished, tmp_path)
    with (run / "checkpoint-10" / "model.safetensors").open("r+b") as file:
        file.seek(2000)
        file.write(b"damaged")
    explored = Explored(str(run))
    assert explored.steps == [20]
    assert explored.notices[0] == "checkpoint-10 is damaged (model.safetensors) and left out"
    assert "left out" in panels.curves(explored, 20)


def test_a_run_without_checkpoints_shows_its_final_model_and_says_so(finished, tmp_path):
    run = copy(finished, tmp_path)
    for step in (10, 20):
        shutil.rmtree(run / f"checkpoint-{step}")
    assert Explored(str(run)).notices == ["no checkpoints, so only the model of step 20 is shown"]
    (run / "model.safetensors").unlink()
    with pytest.raises(UserError, match="holds no model yet; train with --save_steps"):
        Explored(str(run))


def test_a_run_that_is_being_written_shows_what_is_there(finished, tmp_path):
    run = copy(finished, tmp_path)
    (run / "individuals.json").unlink()
    (run / "model.safetensors").unlink()
    shutil.rmtree(run / "checkpoint-20")
    explored = Explored(str(run))
    assert explored.steps == [10]
    assert explored.notices[-1].startswith("not finished")
    assert "Drawn" not in panels.individual(explored, 10, 5)


def test_a_run_without_its_people_is_one_line(finished, tmp_path):
    run = copy(finished, tmp_path)
    shutil.rmtree(run / "dataset")
    with pytest.raises(UserError, match="comes without the people it was trained on"):
        Explored(str(run))


def test_a_port_that_is_taken_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1, port {port}.*choose another --port"):
            main(["runs/none", "--port", str(port)])
    with pytest.raises(UserError, match="from 1 to 65535"):
        check_port("127.0.0.1", 0)


def test_a_repository_is_explored_by_its_revisions(hub, finished, tmp_path):
    user = Client(hub, tmp_path)
    shown = []

    def look(argv):
        explored = Explored(argv[0])
        shown.append((explored.steps, explored.notices, panels.individual(explored, explored.steps[0], 3)))

    user.hub_cards("publish", finished, "--repo", "me/facts")
    user.call(look, "me/facts")
    assert shown[0][:2] == ([10, 20], [])
    assert "6 right at step 10" in text_of(shown[0][2])

    alone = copy(finished, tmp_path)
    for step in (10, 20):
        shutil.rmtree(alone / f"checkpoint-{step}")
    user.hub_cards("publish", alone, "--repo", "me/alone")
    user.call(look, "me/alone")
    assert shown[1][:2] == ([20], ["no revisions, so only the model of step 20 is shown"])
    assert "me/none is no directory and cannot be fetched from the Hub" in user.call(look, "me/none", code=2).stderr


@pytest.mark.parametrize("highest", [0.5, 4.0, 6.0, 30.0])
def test_the_baseline_lies_where_it_is_however_high_the_curves_are(highest):
    """A fine-tuned model's loss on old people stays far below it."""
    values = np.array([0.0, highest])
    told = line_chart(Lines("attribute loss (nats)", {"seen": (np.array([0, 10]), values, values, values)}, 5.0), 0)
    (zero, _), *_, (edge, top) = told["ticks"]
    assert told["baseline"] == pytest.approx(zero + (edge - zero) * 5.0 / float(top), abs=0.5)
    assert told["baseline"] > edge
