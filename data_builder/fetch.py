"""Finding a dataset: a directory here, a repository on the Hub, or what a model brings along."""

from pathlib import Path

from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id

from command_line import UserError
from data_builder.source import Source
from run_directory.hub import hub_api
from run_directory.models import FoundModel
from settings.data import DatasetSettings, DataSettings


def find_people(model: FoundModel, name: str, named: DatasetSettings | None = None) -> Source:
    """Those that a model was trained on: it brings them along, or the user names them.

    Args:
        model: that was found.
        name: what the user calls it.
        named: where its people are, where that can be said.

    Raises:
        UserError: neither, or both.
    """
    for given in ("dataset", "facts") if named and model.dataset else ():
        if getattr(named, given, None):
            raise UserError(f"{name} brings the people it was trained on; leave out --{given}")
    if model.dataset:
        return Source.load(model.dataset)
    if named and named.dataset:
        return Source.load(find_dataset(named.dataset, named.dataset_name, named.dataset_revision))
    if getattr(named, "facts", None):
        table = {name: getattr(named, name) for name in ("facts", "facts_templates", "share_unseen")}
        return Source.build(DataSettings(**table))
    if named and model.foreign:
        raise UserError(f"what is {name} to learn? A table, --facts facts.csv, or the people of --dataset data/mine")
    advice = "; name them: --dataset data/mine" if named else " (no dataset/)"
    raise UserError(f"{name} comes without the people it was trained on{advice}")


def find_dataset(dataset: str, name: str | None = None, revision: str | None = None) -> Path:
    """The directory of a dataset: a local one, or fetched from the Hub (about 100 KB; offline from then on).

    Args:
        dataset: a directory or a repository id.
        name: which population of the repository; not needed if it has one.
        revision: of the repository.

    Raises:
        UserError: neither; or several populations and none named.
    """
    if Path(dataset).exists():
        return Path(dataset)
    try:
        validate_repo_id(dataset)
        patterns = ["*/source/**"]
        folder = hub_api().snapshot_download(dataset, repo_type="dataset", revision=revision, allow_patterns=patterns)
    except (HFValidationError, RepositoryNotFoundError, OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{dataset} is no dataset directory and cannot be fetched from the Hub: {reason}") from None
    found = {path.parent.parent.name: path.parent.parent for path in Path(folder).glob("*/source/settings.yaml")}
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name not in found:
        raise UserError(f"{dataset} holds the populations {', '.join(sorted(found))}; choose with --dataset_name")
    return found[name]
