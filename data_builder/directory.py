"""A dataset as a directory: Parquet files, the source they were made from, and the YAML that `load_dataset` reads.

Beside them lie tasks for lm-evaluation-harness.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from command_line import UserError
from data_builder.source import Source
from settings.data import DataSettings

LM_EVAL = "lm_eval"


def build_directory(
    data: DataSettings,
    output: Path,
    biographies_per_individual: int = 1,
    num_proc: int = 1,
    max_shard_size: str = "500MB",
) -> Source:
    """Build all tables of a population into a new directory, whole or not at all.

    Args:
        data: which people.
        output: where; must not exist.
        biographies_per_individual: rows of each person in the split `train`.
        num_proc: processes; changes nothing but the time, and into how many files a table goes.
        max_shard_size: of a file, as of its columns in memory, with a unit: `500MB`.

    Raises:
        UserError: something is there already, another process builds it, or the settings can't be used.
    """
    if os.path.lexists(output):
        raise UserError(f"{output} exists already and is left as it is; choose another --output_dir")
    check_size(max_shard_size)
    source = Source.build(data)
    unfinished = output.with_name(f".{output.name}.unfinished")
    with _only_builder(output):
        shutil.rmtree(unfinished, ignore_errors=True)
        _build_tables(data, unfinished, biographies_per_individual, num_proc, max_shard_size)
        mark = f"-{source.digest()[:16]}-{biographies_per_individual}"
        _put_into_names(mark, unfinished)
        source.save(unfinished)
        _write_tasks(source, unfinished / LM_EVAL)
        text = f"---\n{yaml.safe_dump({'configs': configurations(source, mark=mark)}, sort_keys=False)}---\n"
        (unfinished / "README.md").write_text(text, encoding="utf-8")
        unfinished.rename(output)
    return source


@contextlib.contextmanager
def _only_builder(output: Path) -> Iterator[None]:
    """Be the one process that builds a dataset there, or it would delete what another has built so far."""
    output.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(output.with_name(f".{output.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"another process is building {output}; wait for it, or choose another --output_dir") from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def configurations(source: Source, population: str = "", mark: str = "") -> list[dict]:
    """What a card's YAML says of the tables, for `load_dataset`: configurations, splits, and where their files are.

    Args:
        source: whose tables.
        population: its name, if the tables lie in a folder of that name among others.
        mark: what the names of the files have after the split, and must have.
    """
    from data_builder.builder import CONFIGURATIONS, splits

    prefix, folder = (f"{population}-", f"{population}/") if population else ("", "")
    return [
        {
            "config_name": f"{prefix}{name}",
            "data_files": [
                {"split": split, "path": f"{folder}{name}/biographies-{split}{mark}*.parquet"}
                for split in splits(name, source.population.groups)
            ],
        }
        for name in CONFIGURATIONS
    ]


def check_size(max_shard_size: str) -> None:
    """Whether it is a size that `datasets` reads, as `500MB`.

    Raises:
        UserError: it is not.
    """
    from datasets.utils.py_utils import convert_file_size_to_int

    try:
        if convert_file_size_to_int(max_shard_size) > 0:
            return
    except ValueError:
        pass
    raise UserError(f"max_shard_size is {max_shard_size}; it must be a whole number with a unit, as 500MB or 1GB")


def _build_tables(
    data: DataSettings, output: Path, biographies_per_individual: int, num_proc: int, max_shard_size: str
) -> None:
    from data_builder.builder import CONFIGURATIONS, BiographyBuilder

    for name in CONFIGURATIONS:
        with tempfile.TemporaryDirectory() as cache:
            builder = BiographyBuilder(
                cache_dir=cache, config_name=name, biographies_per_individual=biographies_per_individual, **asdict(data)
            )
            how = {"file_format": "parquet", "max_shard_size": max_shard_size}
            builder.download_and_prepare(str(output / name), num_proc=num_proc if num_proc > 1 else None, **how)
    for lock in output.glob("*.lock"):
        lock.unlink()


def _put_into_names(mark: str, output: Path) -> None:
    """Name the files by what their rows depend on: the cache of `load_dataset` goes by the names in the YAML alone."""
    for path in output.glob("*/*.parquet"):
        table, split, *shard = path.stem.split("-")
        path.rename(path.with_stem("-".join((table, split + mark, *shard))))


def _write_tasks(source: Source, output: Path) -> None:
    """A task of lm-evaluation-harness for each group that has people; they find the questions by where they lie."""
    output.mkdir()
    empty = {f"{group}.yaml" for group, members in source.population.groups.items() if not members}
    for path in sorted((Path(__file__).parent / LM_EVAL).iterdir()):
        if path.is_file() and path.name not in empty:
            shutil.copyfile(path, output / path.name)
