"""Publishing populations, several sizes side by side in one repository, and fetching them to train on."""

import re
import tempfile
from dataclasses import asdict
from pathlib import Path

import yaml
from huggingface_hub import CommitOperationAdd, DatasetCard, HfApi
from huggingface_hub.errors import RemoteEntryNotFoundError

from command_line import UserError
from data_builder.directory import build_directory, configurations
from data_builder.source import Source
from hub_cards.cards import dataset_card
from run_directory.hub import retry

_SETTINGS = "{name}/source/settings.yaml"
_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def publish_dataset(api: HfApi, directory: Path, repo_id: str, name: str | None = None, report=print) -> bool:
    """Publish a population: Parquet tables, the source to draw its batches from, and the repository's card.

    Args:
        api: of `open_repo`.
        directory: a dataset directory; a run's, which holds the source alone, will do: the tables are made from it.
        repo_id: the dataset repository; populations that are there stay.
        name: the population's name in it; its size if None (`64k`).
        report: is told what was sent.

    Returns:
        Whether anything was sent.

    Raises:
        UserError: the repository has other people under that name.
    """
    source = Source.load(directory)
    name = population_name(source) if name is None else name
    there = retry(lambda: _remote_settings(api, repo_id))
    if name in there:
        if there[name]["digest"] == source.digest():
            return False
        raise UserError(f"{repo_id} has other people under the name {name}; choose another with --name")
    with tempfile.TemporaryDirectory() as folder:
        tables = directory if (directory / "population").is_dir() else _make_tables(source, Path(folder) / "tables")
        retry(lambda: _commit(api, repo_id, name, source, tables, there))
    report(f"published {repo_id}: population {name}")
    return True


def check_name(name: str) -> None:
    """Whether a population may be called so: the name becomes a folder, the names of configurations, and YAML. One
    configuration that `datasets` refuses makes the whole repository unreadable.

    Raises:
        UserError: it may not.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"--name {name!r}: a population's name is up to 64 letters a-z, digits or . _ -")


def population_name(source: Source) -> str:
    """`64k` for 64,000 individuals; with own people, whom others don't have, also the beginning of the digest."""
    n_individuals = source.settings.n_individuals
    size = f"{n_individuals // 1000}k" if n_individuals % 1000 == 0 else str(n_individuals)
    return f"{size}-own-{source.digest()[:8]}" if source.added else size


def population_card(repo_id: str, source: Source, name: str, configs: list[dict], there: dict[str, dict]) -> str:
    """The card of a dataset repository once a population has joined those that are there.

    Args:
        repo_id: the dataset repository.
        source: the population that joins.
        name: its name there.
        configs: the configurations of the others.
        there: their settings, by name.
    """
    ours = configurations(source, name)
    if not any(config.get("default") for config in configs):
        next(config for config in ours if config["config_name"] == f"{name}-biographies")["default"] = True
    return dataset_card(repo_id, [*configs, *ours], there | {name: asdict(source.settings) | source.for_cards()})


def _make_tables(source: Source, output: Path) -> Path:
    build_directory(source.settings, output)
    return output


def _commit(api: HfApi, repo_id: str, name: str, source: Source, tables: Path, there: dict[str, dict]) -> None:
    """One commit with the tables and a card that lists all populations."""
    paths = sorted(path for path in tables.rglob("*") if path.is_file() and path.parent != tables)
    files: dict = {f"{name}/{path.relative_to(tables).as_posix()}": path for path in paths}
    files["README.md"] = population_card(repo_id, source, name, _remote_configs(api, repo_id), there).encode()
    operations = [CommitOperationAdd(path, file) for path, file in files.items()]
    api.create_commit(repo_id, operations, commit_message=f"Publish population {name}", repo_type="dataset")


def _remote_configs(api: HfApi, repo_id: str) -> list[dict]:
    try:
        path = api.hf_hub_download(repo_id, "README.md", repo_type="dataset")
    except RemoteEntryNotFoundError:
        return []
    return DatasetCard.load(path).data.to_dict().get("configs", [])


def _remote_settings(api: HfApi, repo_id: str) -> dict[str, dict]:
    """Settings of each population that is in the repository, by name."""
    files = api.list_repo_files(repo_id, repo_type="dataset")
    names = [path.split("/")[0] for path in files if _is_settings(path)]
    paths = {n: api.hf_hub_download(repo_id, _SETTINGS.format(name=n), repo_type="dataset") for n in sorted(names)}
    return {n: yaml.safe_load(Path(path).read_text(encoding="utf-8")) for n, path in paths.items()}


def _is_settings(path: str) -> bool:
    name, _, rest = path.partition("/")
    return rest == "source/settings.yaml" and _NAME.fullmatch(name) is not None
