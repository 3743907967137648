"""Build a dataset: population, biographies and templates as Parquet files that `load_dataset` reads.

python -m data_builder --n_individuals 64000 --output_dir data/64k
python -m data_builder recipes/tiny.yaml --output_dir data/tiny      # the people of a recipe
"""

import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import yaml

import run_pretrain  # for the keys of a recipe, so that one recipe serves both
from command_line import UserError, parse_settings, run
from data_builder.source import DataSettings, Source, setting


@dataclass
class BuildSettings(DataSettings):
    """What to build and where."""

    biographies_per_individual: int = setting(1, "rows of each person in the split `train`, each in other wording")
    output_dir: str | None = setting(None, "directory to write (required)")
    num_proc: int = setting(1, "processes; changes nothing but the time")


def main(argv: list[str]) -> None:
    """Settings, three tables, a card for `load_dataset`, and the source that runs start from."""
    (settings,) = parse_settings((BuildSettings,), argv, __doc__, others=run_pretrain.SETTINGS)
    for name in ("biographies_per_individual", "num_proc"):
        if getattr(settings, name) < 1:
            raise UserError(f"{name} is {getattr(settings, name)}; it must be at least 1")
    output = _check_output(settings.output_dir)
    data = DataSettings(**{field.name: getattr(settings, field.name) for field in fields(DataSettings)})
    source = Source.build(data)
    unfinished = output.with_name(f".{output.name}.unfinished")  # so that a dataset is there whole or not at all
    shutil.rmtree(unfinished, ignore_errors=True)
    files = _build_tables(settings, data, unfinished)
    source.save(unfinished)
    (unfinished / "README.md").write_text(_card(files), encoding="utf-8")
    unfinished.rename(output)
    print(f"{len(source.population):,} individuals in {output}; load_dataset('{output}', 'biographies')")


def _check_output(output_dir: str | None) -> Path:
    if not output_dir:
        raise UserError("no output_dir: say where to write, e.g. --output_dir data/64k")
    output = Path(output_dir)
    if os.path.lexists(output):
        raise UserError(f"{output} exists already and is left as it is; choose another --output_dir")
    return output


def _build_tables(settings: BuildSettings, data: DataSettings, output: Path) -> dict[str, dict[str, str]]:
    """Write the Parquet files; returns a file pattern for each configuration and split."""
    from data_builder.builder import CONFIGURATIONS, BiographyBuilder

    files = {}
    for name in CONFIGURATIONS:
        with tempfile.TemporaryDirectory() as cache:
            builder = BiographyBuilder(
                cache_dir=cache,
                config_name=name,
                biographies_per_individual=settings.biographies_per_individual,
                **asdict(data),
            )
            num_proc = settings.num_proc if settings.num_proc > 1 else None
            builder.download_and_prepare(str(output / name), file_format="parquet", num_proc=num_proc)
        files[name] = {split: f"{name}/biographies-{split}*.parquet" for split in builder.info.splits}
    for lock in output.glob("*.lock"):
        lock.unlink()
    return files


def _card(files: dict[str, dict[str, str]]) -> str:
    """A README whose YAML tells `load_dataset` which files make which configuration and split."""
    configs = [
        {"config_name": name, "data_files": [{"split": s, "path": p} for s, p in splits.items()]}
        for name, splits in files.items()
    ]
    return f"---\n{yaml.safe_dump({'configs': configs}, sort_keys=False)}---\n"


if __name__ == "__main__":
    run(main)
