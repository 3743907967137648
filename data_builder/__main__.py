# PYTHON_ARGCOMPLETE_OK
"""Build a dataset: population, biographies, templates and questions as Parquet files that `load_dataset` reads.

python -m data_builder --n_individuals 64000 --output_dir data/64k
python -m data_builder recipes/tiny.yaml --output_dir data/tiny      # the people of a recipe
python -m data_builder runs/mine --output_dir data/mine              # those of a run
python -m data_builder check my                  # what is wrong with your own texts; check --help tells more
python -m data_builder batch runs/mine --steps 500:510    # who and which text a run read in these steps
"""

from dataclasses import dataclass, fields
from pathlib import Path

from command_line import UserError, run
from data_builder.directory import build_directory
from data_builder.source import Source
from run_directory.layout import DATASET
from settings import PRETRAINING, names
from settings.data import DataSettings
from settings.declare import setting
from settings.read import check_not_given, parse_settings


@dataclass
class BuildSettings(DataSettings):
    """What to build and where."""

    biographies_per_individual: int = setting(
        1, "biographies per person in the split `train`, each in other wording", at_least=1
    )
    output_dir: str | None = setting(None, "directory to write (required)")
    num_proc: int = setting(1, "processes; changes no row, only the time and into how many files they go", at_least=1)
    max_shard_size: str = setting("500MB", "of a Parquet file, as of its columns in memory; larger tables are several")


def main(argv: list[str]) -> None:
    """Settings, then the directory; or a check of the texts it would be made of, or what a run read of them."""
    if argv[:1] == ["check"]:
        from data_builder.check import main as check

        return check(argv[1:])
    if argv[:1] == ["batch"]:
        from data_builder.batch import main as batch

        return batch(argv[1:])
    run = Path(argv[0]) if argv and Path(argv[0]).is_dir() else None
    if run:
        argv = argv[1:]
        check_not_given(argv, names(DataSettings), f"the people are those of {run}")
    (settings,) = parse_settings((BuildSettings,), argv, __doc__, others=names(*PRETRAINING))
    if not settings.output_dir:
        raise UserError("no output_dir: say where to write, e.g. --output_dir data/64k")
    data = DataSettings(**{field.name: getattr(settings, field.name) for field in fields(DataSettings)})
    if run:
        data = Source.load(run / DATASET).settings
    output = Path(settings.output_dir)
    source = build_directory(
        data, output, settings.biographies_per_individual, settings.num_proc, settings.max_shard_size
    )
    n_people = sum(map(len, source.population.groups.values()))  # own people stand in for others of the population
    print(f"{n_people:,} individuals in {output}; load_dataset('{output}', 'biographies')")


if __name__ == "__main__":
    run(main)
