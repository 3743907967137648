"""Publishing populations, several sizes side by side in one repository, and fetching them to train on."""

import contextlib
import fnmatch
import re
import tempfile
from dataclasses import asdict
from pathlib import Path

import yaml
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, DatasetCard, HfApi
from huggingface_hub.hf_api import RepoFile

from command_line import UserError
from data_builder.directory import LM_EVAL, build_directory, configurations
from data_builder.source import Source
from hub_cards.cards import dataset_card
from hub_cards.remote import holds, read, tree
from run_directory.hub import retry

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
    if not retry(lambda: _bring_in_line(api, directory, repo_id, name, source)):
        return False
    report(f"published {repo_id}: population {name}")
    return True


def _bring_in_line(api: HfApi, directory: Path, repo_id: str, name: str, source: Source) -> bool:
    """One commit with what the Hub lacks of the population; False if that is nothing."""
    there = tree(api, repo_id, repo_type="dataset")
    others, configs = _remote_settings(api, repo_id, there), _remote_configs(api, repo_id, there)
    if others.pop(name, {"digest": source.digest()})["digest"] != source.digest():
        raise UserError(
            f"{repo_id} has other people under the name {name}, or these as another version made them; "
            "choose another with --name"
        )
    ours = configurations(source, name)
    named = [config["config_name"] for config in ours]
    patterns = [data["path"] for config in ours for data in config["data_files"]] + [f"{name}/{LM_EVAL}/*"]
    with tempfile.TemporaryDirectory() as folder:
        files = _files(directory, name)
        # A run has the source alone, an older directory no questions. Tables, which another version may write in other
        # bytes, are there or are not.
        lacking = [pattern for pattern in patterns if not fnmatch.filter(files, pattern)]
        if not all(fnmatch.filter(there, pattern) for pattern in lacking):
            made, folders = _files(_make_tables(source, Path(folder) / "tables"), name), set(map(_folder, lacking))
            files |= {path: file for path, file in made.items() if _folder(path) in folders}
        operations: list = [
            CommitOperationAdd(p, f) for p, f in files.items() if not holds(there.get(p), f.read_bytes())
        ]
        # Rows would be there twice if a file stayed from when the same table went into more or other ones.
        tables = {_folder(path) for path in files if path.endswith(".parquet")}
        gone = [path for path in there if path.endswith(".parquet") and _folder(path) in tables]
        operations += [CommitOperationDelete(path) for path in gone if path not in files]
        if not operations and {*named} <= {config["config_name"] for config in configs}:
            return False
        configs = [config for config in configs if config["config_name"] not in named]
        card = population_card(repo_id, source, name, configs, others).encode()
        operations.append(CommitOperationAdd("README.md", card))
        api.create_commit(repo_id, operations, commit_message=f"Publish population {name}", repo_type="dataset")
    return True


def _files(directory: Path, name: str) -> dict[str, Path]:
    """The files of a dataset directory's folders, by their place in the repository."""
    paths = (path for path in sorted(directory.rglob("*")) if path.is_file() and path.parent != directory)
    return {f"{name}/{path.relative_to(directory).as_posix()}": path for path in paths}


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def check_name(name: str) -> None:
    """Whether a population may be called so: the name becomes a folder, the names of configurations, and YAML. One
    configuration that `datasets` refuses makes the whole repository unreadable.

    Raises:
        UserError: it may not.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"--name {name!r}: a population's name is up to 64 letters a-z, digits or . _ -")


def check_own_people(people: int, agreed: bool) -> None:
    """Whether the people of a user's own table, real ones perhaps, may be published.

    Args:
        people: how many there are; invented ones are not counted.
        agreed: whether the user said so.

    Raises:
        UserError: nobody said so.
    """
    if people and not agreed:
        raise UserError(
            f"this would upload names and facts, such as birth dates, of {people:,} own people; if it may, add "
            "--with_own_people"
        )


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


def _remote_configs(api: HfApi, repo_id: str, there: dict[str, RepoFile]) -> list[dict]:
    if "README.md" not in there:
        return []
    card = read(api, repo_id, there["README.md"], repo_type="dataset").decode()
    return DatasetCard(card, ignore_metadata_errors=True).data.to_dict().get("configs", [])


def _remote_settings(api: HfApi, repo_id: str, there: dict[str, RepoFile]) -> dict[str, dict]:
    """Settings of each population that is in the repository, by name; those that can be read."""
    found = {}
    for path, entry in there.items():
        name, _, rest = path.partition("/")
        if rest == "source/settings.yaml" and _NAME.fullmatch(name):
            with contextlib.suppress(ValueError, yaml.YAMLError):
                found[name] = yaml.safe_load(read(api, repo_id, entry, repo_type="dataset").decode())
    return {name: saved for name, saved in found.items() if isinstance(saved, dict) and "digest" in saved}
