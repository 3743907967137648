from dataclasses import dataclass

import pytest

from command_line import UserError, parse_settings


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
    ],
)
def test_mistakes_give_one_line(tmp_path, argv, text, message):
    with pytest.raises(UserError, match=message) as error:
        parse(*([recipe(tmp_path, text)] if text else []), *argv)
    assert "\n" not in str(error.value)
