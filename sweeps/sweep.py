"""A sweep: a recipe with variants, a grid and seeds, expanded into runs."""

import itertools
import math
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from command_line import CLONE, HOME, UserError, read_yaml, unknown
from settings import today

# Where the paths of a sweep start: the project's root; of an installed wheel, the folder it is used from.
ROOT = CLONE or Path.cwd()
_KEYS = ("script", "recipe", "settings", "variants", "grid", "seeds", "output_dir", "keep", "launcher")
_REQUIRED = ("recipe", "seeds", "output_dir")
_PATHS = ("script", "recipe", "output_dir")
_MOST = 10_000  # points of a grid
# The runner itself gives these to the script.
_RESERVED = ("seed", "output_dir", "resume_from_checkpoint", "overwrite_output_dir")


@dataclass(frozen=True, eq=False)
class SweepRun:
    """One run of a sweep.

    Attributes:
        name: `<variant>-seed<k>`.
        variant: what is compared: a name of the sweep and its place in the grid, `<name>[-<key>=<value>...]`.
        seed: of the run.
        settings: what the sweep sets beside the seed; they override the recipe.
        directory: where the run is written, relative to `ROOT`.
    """

    name: str
    variant: str
    seed: int
    settings: dict
    directory: Path

    @property
    def path(self) -> Path:
        """The run directory, from anywhere."""
        return ROOT / self.directory


@dataclass(frozen=True)
class Sweep:
    """An experiment's sweep; script and recipe are relative to `ROOT`.

    Attributes:
        keep: patterns of the metrics and reports that go into its results.
        launcher: words that start the script in place of Python, as `accelerate launch`; none if Python does.
    """

    folder: Path
    script: str
    recipe: str
    output_dir: Path
    runs: list[SweepRun]
    keep: list[str]
    launcher: tuple[str, ...] = ()

    def only(self, patterns: list[str]) -> "Sweep":
        """The runs whose names match."""
        chosen = select([run.name for run in self.runs], patterns)
        return replace(self, runs=[run for run in self.runs if run.name in chosen])


def load_sweep(folder: str | Path) -> Sweep:
    """Read `<folder>/sweep.yaml` and expand it. Seeds are outermost, so that comparisons fill up early.

    Raises:
        UserError: unreadable, an unknown key (the nearest known one is named), something that cannot be expanded.
    """
    file = Path(folder) / "sweep.yaml"
    content = _read(file)
    script, recipe, output_dir = (
        content.get("script", "run_pretrain.py"),
        content["recipe"],
        Path(content["output_dir"]),
    )
    if not (ROOT / script).is_file() and (HOME / script).is_file():
        script = str(HOME / script)  # of the wheel
    for path in (script, recipe):
        if not (ROOT / path).is_file():
            raise UserError(f"{file}: there is no {path} (paths start at {ROOT})")
    runs = [_run(output_dir, *parts) for parts in itertools.product(_seeds(content, file), _settings(content, file))]
    name, count = Counter(run.name for run in runs).most_common(1)[0]
    if count > 1:
        raise UserError(f"{file}: {count} runs are called {name}; a seed or a value stands there twice")
    return Sweep(Path(folder), script, recipe, output_dir, runs, _keep(content, file), _launcher(content, file))


def select(names: Iterable[str], patterns: list[str]) -> list[str]:
    """The names that patterns match, as in a shell; in their order.

    Raises:
        UserError: a pattern matches none.
    """
    names = list(names)
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in names):
            raise UserError(f"no run is called {pattern}; there is {', '.join(names) or 'none'}")
    return [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]


def _read(file: Path) -> dict:
    content = read_yaml(file)
    for key in content:
        if key not in _KEYS:
            raise UserError(unknown("key", str(key), str(file), _KEYS))
    for key in _REQUIRED:
        if not content.get(key):
            raise UserError(f"{file} has no {key}")
    for key in _PATHS:
        if not isinstance(content.get(key, ""), str):
            raise UserError(f"{file}: {key} is not a path")
    return content


def _seeds(content: dict, file: Path) -> list[int]:
    seeds = content["seeds"]
    if not isinstance(seeds, list) or not all(type(seed) is int for seed in seeds):
        raise UserError(f"{file}: seeds is not a list of numbers, like [0, 1, 2]")
    return seeds


def _keep(content: dict, file: Path) -> list[str]:
    keep = content.get("keep", ["*"])
    if not isinstance(keep, list) or not all(isinstance(pattern, str) for pattern in keep):
        raise UserError(f"{file}: keep is not a list of patterns, like [seen_*, individuals]")
    return keep


def _launcher(content: dict, file: Path) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(content.get("launcher") or ""))
    except (AttributeError, TypeError, ValueError):
        raise UserError(f"{file}: launcher is not a command, like accelerate launch --num_processes 8") from None


def _settings(content: dict, file: Path) -> list[tuple[str, dict, dict]]:
    """Each variant at each point of its grid: variant, point, all settings of the sweep there."""
    shared = _mapping(content.get("settings"), "settings", file)
    variants = _mapping(content.get("variants"), "variants", file) or {"base": None}
    found = []
    for variant, value in variants.items():
        own = dict(_mapping(value, f"variant {variant}", file))
        grids = (content.get("grid"), own.pop("grid", None))
        for point in _points(grids, file):
            _check_settings(settings := shared | own | point, file)
            found.append((str(variant), point, settings))
    return found


def _points(grids: tuple, file: Path) -> list[dict]:
    """The cartesian product of the grids; a variant's own values replace those for all."""
    axes = {key: values for grid in grids for key, values in _mapping(grid, "grid", file).items()}
    for key, values in axes.items():
        if not isinstance(values, list) or not values:
            raise UserError(f"{file}: grid needs a list of values for {key}")
    n_points = math.prod(map(len, axes.values()))
    if n_points > _MOST:
        raise UserError(f"{file}: a grid of {n_points:,} points; there can be {_MOST:,}")
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _check_settings(settings: dict, file: Path) -> None:
    for key, value in settings.items():
        if key in _RESERVED:
            raise UserError(f"{file}: {key} is not for settings; the runner sets it for each run")
        if value is None or isinstance(value, dict):
            raise UserError(f"{file}: setting {key} has no value")


def _mapping(value, what: str, file: Path) -> dict:
    if not isinstance(value or {}, dict):
        raise UserError(f"{file}: {what} is not a list of `key: value` lines")
    return value or {}


def _run(output_dir: Path, seed: int, parts: tuple[str, dict, dict]) -> SweepRun:
    variant, point, settings = parts
    variant = "-".join([_short(variant), *(f"{key}={_short(value)}" for key, value in point.items())])
    name = f"{variant}-seed{seed}"
    seeded = {key: _with_seed(value, seed) for key, value in settings.items()}
    return SweepRun(name, variant, seed, today(seeded), output_dir / name)


def _short(value) -> str:
    """A value as part of a directory's name."""
    text = "+".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.replace("/", "_")


def _with_seed(value, seed: int):
    """For settings that name something of the same seed, e.g. the pre-trained run to start from."""
    return value.replace("{seed}", str(seed)) if isinstance(value, str) else value
