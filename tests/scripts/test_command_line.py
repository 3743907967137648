from dataclasses import dataclass
from typing import Literal

import pytest

from command_line import UserError, read_yaml
from data_builder.texts import read_text
from habits import ELSEWHERE
from settings import FINETUNING, PRETRAINING, names
from settings.read import parse_settings
from settings.training import TrainingSettings


@dataclass
class Shape:
    width: int = 4
    depth: int | None = None
    rate: float = 0.0


@dataclass
class Names:
    colour: str = "blue"
    bright: bool = False
    steps: list[int] | None = None
    mood: Literal["gay", "grave"] = "gay"


def parse(*argv):
    return parse_settings((Shape, Names), list(argv), "toy")


def recipe(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return str(path)


def test_command_line_overrides_recipe_overrides_defaults(tmp_path):
    text = "width: 7\nrate: 1e-3\ncolour: red\nsteps: [1, 2]\nbright: true\ndepth: null\nenvironment: {torch: '2'}\n"
    shape, names = parse(recipe(tmp_path, text), "--width", "9")
    assert shape == Shape(9, None, 1e-3)  # which YAML 1.1 reads as a string
    assert names == Names("red", True, [1, 2])


def test_keys_of_another_script_are_known_but_not_used(tmp_path):
    path = recipe(tmp_path, "width: 5\nhue: red\n")
    (shape,) = parse_settings((Shape,), [path], "toy", others=("hue",))
    assert shape.width == 5
    with pytest.raises(UserError, match="'hut'.*nearest known one is 'hue'"):
        parse_settings((Shape,), [recipe(tmp_path, "hut: red\n")], "toy", others=("hue",))


@pytest.mark.parametrize(
    ("argv", "text", "message"),
    [
        (["--widht", "3"], "", "unknown setting 'widht' in the command line; the nearest known one is 'width'"),
        (["--widht=3"], "", "unknown setting 'widht' in the command line; the nearest known one is 'width'"),
        (["--width", "three"], "", "argument --width: invalid int value: 'three'"),
        (["missing.yaml"], None, "cannot read recipe missing.yaml: .*No such file"),
        ([], "colr: red\n", "unknown setting 'colr' in .*recipe.yaml; the nearest known one is 'colour'"),
        ([], "- a\n- b\n", "is not a list of `key: value` lines"),
        ([], "width: [\n", "cannot read recipe"),
        ([], "width: wide\n", "argument --width: invalid int value: 'wide'"),
        ([], "# nothing\n", "recipe .*recipe.yaml is empty"),
        ([], "width: 4\ncolour: red\nwidth: 5\n", "cannot read recipe .*recipe.yaml: line 3: width stands there twice"),
        ([], "width: [16, 32]\n", "recipe.yaml: width is one value, not \\[16, 32\\]"),
        ([], "width: {a: 16}\n", "recipe.yaml: width is one value, not {'a': 16}"),
        ([], "mood: no\n", "argument --mood: invalid choice: 'no'"),
        (["--width", "16", "32"], "", "'32' is one value too many for --width"),
        (["--width", "16", "recipes/mine.yaml"], "", "cannot read recipe recipes/mine.yaml: .*No such file"),
        (["--width", "16", "mine.yaml"], "depth: 3\n", "^mine.yaml is one recipe too many; name one"),
        (["--config"], "", "argument --config: expected one argument"),
        (["--zzzzz", "1"], "", "^unknown setting 'zzzzz' in the command line; --help tells all$"),
        (["--lr", "1"], "", "^unknown setting 'lr' in the command line; --help tells all$"),  # nothing like it here
    ],
)
def test_mistakes_give_one_line(tmp_path, argv, text, message):
    with pytest.raises(UserError, match=message) as error:
        parse(*([recipe(tmp_path, text)] if text else []), *argv)
    assert "\n" not in str(error.value)


def test_a_recipe_in_another_encoding_is_told_as_all_files_of_a_user_are(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_bytes("\ufeffwidth: 5\r\n".encode() + b"colour: gr\xfcn\r\n")
    told = f"{path}: line 2 is not UTF-8; save the file as UTF-8"
    with pytest.raises(UserError, match=f"^cannot read recipe {told}$"):
        parse(str(path))
    with pytest.raises(UserError, match=f"^{told}$"):
        read_text(path)
    path.write_bytes(path.read_bytes().replace(b"\xfc", "ü".encode()))
    assert parse(str(path))[1].colour == "grün"


@pytest.mark.parametrize("written", ["no", "'no'", '"no"'])
def test_text_settings_keep_the_text(tmp_path, written):
    path = recipe(tmp_path, f"mixed_precision: {written}\noptim: 010\nlr_scheduler_type: on\ncpu_tricks: no\n")
    (training,) = parse_settings((TrainingSettings,), [path], "toy")
    assert (training.mixed_precision, training.optim, training.lr_scheduler_type) == ("no", "010", "on")
    assert training.cpu_tricks is False


def test_a_recipe_may_be_given_as_config(tmp_path):
    path = recipe(tmp_path, "width: 7\nrate: 2.0\n")
    assert (
        parse("--width", "9", "--config", path)[0] == parse(f"--config={path}", "--width", "9")[0] == Shape(9, None, 2)
    )
    with pytest.raises(UserError, match=r"^b.yaml is one recipe too many; name one, with the settings of both$"):
        parse("--config", path, "b.yaml")


def test_a_recipe_may_stand_after_options(tmp_path):
    path = recipe(tmp_path, "width: 7\nrate: 2.0\n")
    for argv in (("--width", "9", path), ("--width=9", path), ("--bright", path, "--width", "9")):
        assert parse(*argv)[0] == Shape(9, None, 2.0)
    shape, names = parse("--width", "9", "--bright", "--steps", "1", "2", path)  # though --steps takes several
    assert (shape, names) == (Shape(9, None, 2.0), Names(bright=True, steps=[1, 2]))


def test_names_of_other_trainers_are_told_what_they_are_here(tmp_path):
    ours = {*names(*PRETRAINING), *names(*FINETUNING)}
    assert {here.split(" ")[0] for here in ELSEWHERE.values()} <= ours
    assert ours.isdisjoint(ELSEWHERE)
    for argv in (["--bf16", "true"], ["--bf16=true"], [recipe(tmp_path, "bf16: true\n")]):
        with pytest.raises(UserError, match=r"unknown setting 'bf16' in .*; here it is mixed_precision bf16$"):
            parse_settings(PRETRAINING, argv, "toy")
    with pytest.raises(UserError, match=r"'num_train_epochs' in .*; here it is max_steps \("):
        parse_settings(PRETRAINING, ["--num-train-epochs", "3"], "toy")


def test_tracker_none_is_no_tracker(tmp_path):
    for argv in (["--report_to", "none"], [recipe(tmp_path, "report_to: none\n")], []):
        assert parse_settings((TrainingSettings,), argv, "toy")[0].report_to is None
    assert parse_settings((TrainingSettings,), ["--report_to", "wandb"], "toy")[0].report_to == ["wandb"]


@pytest.mark.parametrize("content", [b"\xff\xfe n_individuals: 4\n", b"a: \x00\n", b"", b"[1, 2]\n"])
def test_what_is_no_yaml_mapping_is_one_line(tmp_path, content):
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"x.yaml") as error:
        read_yaml(tmp_path / "x.yaml")
    assert "\n" not in str(error.value)


def test_merged_keys_are_not_doubled_ones(tmp_path):
    path = recipe(tmp_path, "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\n")
    assert read_yaml(path)["b"] == {"x": 3, "y": 2}
