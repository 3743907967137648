"""A sweep: a recipe, what varies, and seeds; expanded into the runs it means."""

import difflib
import itertools
from dataclasses import dataclass, field, fields
from pathlib import Path

import yaml

from command_line import UserError

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Sweep:
    """What sweep.yaml says.

    Attributes:
        recipe: of all runs, seen from the project's root.
        output_dir: where the run directories go.
        script: that makes a run.
        settings: that override the recipe in all runs.
        variants: name to settings; a `grid` among them is for that variant alone.
        grid: setting to values; every combination is run for every variant.
        seeds: each variant is run with each of them, so that comparisons are paired.
    """

    recipe: str
    output_dir: str
    script: str = "run_pretrain.py"
    settings: dict = field(default_factory=dict)
    variants: dict = field(default_factory=lambda: {"base": {}})
    grid: dict = field(default_factory=dict)
    seeds: list = field(default_factory=lambda: [0, 1, 2])


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes:
        name: `<variant>-seed<seed>`; the variant with its place in the grid.
        variant: what is compared.
        seed: of the run.
        settings: what the sweep sets, the seed apart.
        run: its directory.
    """

    name: str
    variant: str
    seed: int
    settings: dict
    run: Path


def load_sweep(folder: Path) -> Sweep:
    """Read `sweep.yaml` of an experiment.

    Raises:
        UserError: it cannot be read, lacks something, or has a key that means nothing.
    """
    path = folder / "sweep.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"cannot read {path}: {' '.join(str(error).split())}") from None
    known = [item.name for item in fields(Sweep)]
    for key in content:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise UserError(f"unknown key '{key}' in {path}; the nearest known one is '{nearest}'")
    for key in ("recipe", "output_dir"):
        if key not in content:
            raise UserError(f"{path} needs '{key}'")
    return Sweep(**content)


def expand(sweep: Sweep) -> list[Job]:
    """All runs of a sweep, a whole seed before the next, so that a comparison is soon complete."""
    return [
        _job(sweep, name, varied, seed)
        for seed in sweep.seeds
        for name, settings in sweep.variants.items()
        for varied in _combinations(settings or {}, sweep.grid)
    ]


def _combinations(variant: dict, shared_grid: dict) -> list[tuple[dict, dict]]:
    """Settings of a variant, and those of each point of its grid."""
    fixed = {key: value for key, value in variant.items() if key != "grid"}
    grid = shared_grid | variant.get("grid", {})
    return [(fixed, dict(zip(grid, point, strict=True))) for point in itertools.product(*grid.values())]


def _job(sweep: Sweep, name: str, varied: tuple[dict, dict], seed: int) -> Job:
    fixed, point = varied
    variant = "-".join([name, *(f"{key}={value}" for key, value in point.items())])
    settings = {key: _with_seed(value, seed) for key, value in (sweep.settings | fixed | point).items()}
    return Job(f"{variant}-seed{seed}", variant, seed, settings, Path(sweep.output_dir) / f"{variant}-seed{seed}")


def _with_seed(value, seed: int):
    """`runs/pretrained-seed{seed}` names another run of the same seed."""
    return value.replace("{seed}", str(seed)) if isinstance(value, str) else value
