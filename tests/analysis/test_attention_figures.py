"""Figures of attention: what they show, from records and from a model."""

import shutil

import pytest
import torch

import evaluation.attention_map as command
from analysis.attention import heat_map, layers_of, signature_figure
from command_line import UserError
from modeling.patching import record
from modeling.presets import build_model
from run_directory.records import Run
from settings.model import ModelSettings
from tests.helpers.figures import check_readable, legend_texts, lines

OLDER = ("name_grouping", "value_to_name", "value_to_text", "sharpness", "gradient_to_names")
NAMES = (*OLDER, "name_grouping_first", "value_to_type")


def run_of(losses, n_layers=3, names=NAMES, **config):
    def record(step, loss):
        metrics = {f"layer_{layer}_{name}": loss / 10 for layer in range(1, n_layers + 1) for name in names}
        return {"step": step, "no_knowledge_baseline": 5.0, "seen_attribute_loss": loss} | metrics

    records = [record(100 * number, loss) for number, loss in enumerate(losses)]
    return Run(None, config, records)


THREE_PHASES = [8.0, 5.0, 5.0, 5.0, 2.0]


@pytest.mark.parametrize("names", [NAMES, OLDER, ("gradient_to_names",)], ids=["all", "older run", "no attention"])
def test_signatures_are_drawn_for_each_layer_with_the_plateau(names):
    figure = signature_figure([run_of(THREE_PHASES, names=names), run_of(THREE_PHASES, names=names)])
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    panels = drawn[1:]  # the first one is the loss
    assert [[*lines(axes)] for axes in panels] == [["layer 1", "layer 2", "layer 3"]] * len(names)
    assert [len(axes.patches) for axes in drawn] == [1] * (1 + len(names))  # the plateau
    assert panels[0].lines[0].get_ydata().tolist() == [0.8, 0.5, 0.5, 0.5, 0.2]
    assert legend_texts(figure) == [
        "seen people", "no-knowledge baseline", "plateau", "layer 1", "layer 2", "layer 3",
        "thick lines: mean of n = 2 seeds; thin lines: each seed",
    ]  # fmt: skip
    check_readable(figure)


@pytest.mark.parametrize("run", [run_of([8.0, 5.0, 5.0]), run_of(THREE_PHASES, individuals_finetune="new")])
def test_without_a_plateau_none_is_drawn(run):
    figure = signature_figure([run])
    assert not any(axes.patches for axes in figure.axes)
    assert "plateau" not in legend_texts(figure)
    assert [layers_of(run_of([1.0], n)) for n in (0, 12)] == [[], list(range(1, 13))]


def test_a_heat_map_shows_each_layer_and_head():
    attention = torch.rand(2, 3, 4, 4).numpy()
    figure = heat_map(attention, ["Ada", "was", "in", "Rome"], ["name", "text", "text", "value"])
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels[:4]] == [
        "layer 1, head 1", "layer 1, head 2", "layer 1, head 3", "layer 2, head 1",
    ]  # fmt: skip
    assert (panels[3].images[0].get_array() == attention[1, 0]).all()
    assert [label.get_text() for label in panels[4].get_xticklabels()] == ["Ada", "was", "in", "Rome"]
    assert len({label.get_color() for label in panels[4].get_yticklabels()}) == 3
    assert legend_texts(figure)[:3] == ["text", "name", "value"]
    check_readable(figure)


@pytest.fixture
def run(source, tokenizer, tmp_path):
    """As much of a run directory as the command reads."""
    build_model(ModelSettings(preset="nano"), tokenizer, max_length=256, seed=0).save_pretrained(tmp_path / "run")
    tokenizer.save_pretrained(tmp_path / "run")
    source.save(tmp_path / "run" / "dataset")
    return tmp_path / "run"


def test_the_map_is_that_of_the_person_up_to_a_value(source, tokenizer, stream, run):
    model, _ = command.find_model(str(run)).load()
    figure = command.attention_map(source, model, tokenizer, 7, 2)
    biography = stream.probe("map", 1, range(7, 8))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ids = biography["input_ids"][:, : len(labels)]
    assert labels == [tokenizer.decode([token]).removeprefix(" ") for token in ids[0]]
    values = biography["attribute_ids"][0]
    assert values[len(labels) - 1] > 0
    assert len(values[: len(labels)].unique()) == 3  # text and two values
    _, attention = record(model, ids)
    assert (figure.axes[3].images[0].get_array() == attention[1, 0, 1].detach().numpy()).all()
    assert command.attention_map(source, model, tokenizer, 7, 6).axes  # the whole biography


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--individual", "100"], "individual is 100; it must be from 0 to 99"),
        (["--sentences", "7"], "sentences is 7; it must be from 1 to 6"),
        (["--revision", "main"], "is a directory and has no revisions"),
    ],
)
def test_the_command_writes_the_figure_or_says_in_one_line_why_not(run, tmp_path, capsys, options, message):
    with pytest.raises(UserError, match=message):
        command.main([str(run), *options])
    command.main([str(run), "--individual", "3", "--output_dir", str(tmp_path / "figures")])
    figure = tmp_path / "figures" / "attention-run-3.png"
    assert figure.exists()
    assert capsys.readouterr().out.strip() == f"figure: {figure}"


def test_no_figure_is_written_over(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = run / "checkpoint-20"
    checkpoint.mkdir()
    for file in [path for path in run.iterdir() if path.is_file()]:
        shutil.copy(file, checkpoint)
    drawn = []
    monkeypatch.setattr("analysis.drawing.save", lambda figure, path: drawn.append(path.name) or path.touch())
    for argv in (["run"], ["run/checkpoint-20"], ["run", "--individual", "1"]):
        command.main(argv)
    assert drawn == ["attention-run-0.png", "attention-run-checkpoint-20-0.png", "attention-run-1.png"]
    monkeypatch.chdir(checkpoint)
    for again in (".", "../checkpoint-20"):  # however it is spelled
        with pytest.raises(UserError, match="attention-run-checkpoint-20-0.png exists already and is left as it is"):
            command.main([again, "--output_dir", str(tmp_path / "figures")])
