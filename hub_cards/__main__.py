# PYTHON_ARGCOMPLETE_OK
"""Share runs and datasets on the Hugging Face Hub.

python -m hub_cards publish runs/mine --repo me/facts-tiny     # a finished run, or the rest of one
python -m hub_cards publish-dataset data/64k --repo me/biographies
python -m hub_cards publish-space runs/mine --repo me/facts-explorer     # the same, and shown in the explorer
python -m hub_cards preview runs/mine                          # the cards, without network
python -m hub_cards verify me/facts-tiny                       # every revision against its manifest
python -m hub_cards verify EleutherAI/pythia-70m               # any repository with a revision for each step
python -m hub_cards metrics build/metrics      # the metrics as folders that need nothing of this project
python -m hub_cards publish-metrics me         # a Space of each: evaluate.load("me/attribute_loss")
"""

import argparse
import sys
from pathlib import Path
from typing import get_args, get_type_hints

from command_line import UserError, complete, run
from settings.hub import HubSettings


def main(argv: list[str]) -> None:
    """One of the commands."""
    arguments = complete(_parser()).parse_args(argv)
    arguments.command(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hub_cards", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    for name, function, what in (
        ("publish", _publish, "run directory"),
        ("publish-dataset", _publish_dataset, "dataset directory"),
        ("publish-space", _publish_space, "run directory, or the repository of a published run"),
        ("preview", _preview, "run directory"),
        ("verify", _verify, "model repository"),
        ("metrics", _metrics, "new directory"),
        ("publish-metrics", _publish_metrics, "user or organization on the Hub"),
    ):
        command = commands.add_parser(name)
        command.set_defaults(command=function, hub_strategy=None)
        command.add_argument("what", help=what)
        if name == "verify":
            help = "fetch large files, too, and compare them with the Hub's checksums"
            command.add_argument("--download", action="store_true", help=help)
        elif name not in ("metrics", "publish-metrics"):
            command.add_argument("--repo", required=name != "preview", default="me/model", help="repository id")
        if name in ("publish", "preview"):
            command.add_argument("--dataset_repo", help="dataset repository of the run's people")
        if name.startswith("publish"):
            command.add_argument("--private", action="store_true", help="make a new repository private")
        if name in ("publish", "publish-dataset", "publish-space"):
            agreed = "upload names and facts of people of a table of yours, if there are any"
            command.add_argument("--with_own_people", action="store_true", help=agreed)
        if name == "publish":
            strategies = get_args(get_type_hints(HubSettings)["hub_strategy"])
            help = "which states are published, too; as the run was told if left out"
            command.add_argument("--hub_strategy", choices=strategies, help=help)
        if name == "publish-dataset":
            command.add_argument("--name", help="the population's name in the repository (64k)")
    return parser


def _publish(arguments) -> None:
    _publish_run(Path(arguments.what), arguments.repo, arguments.dataset_repo, arguments)


def _publish_run(path: Path, repo: str, dataset_repo: str | None, arguments) -> None:
    from data_builder.source import own_people
    from hub_cards.background import publish
    from hub_cards.datasets import check_own_people
    from hub_cards.revisions import check_final
    from run_directory.hub import hub_errors, open_repo
    from run_directory.layout import DATASET
    from run_directory.records import load_run

    load_run(path)
    check_own_people(own_people(path / DATASET), arguments.with_own_people)
    check_final(path)
    api = open_repo(repo, "model", arguments.private)
    if dataset_repo:
        open_repo(dataset_repo, "dataset", arguments.private)
    with hub_errors(repo):
        sent = publish(api, path, repo, dataset_repo, strategy=arguments.hub_strategy)
    print(f"{repo}: {sent} sent" if sent else f"{repo}: everything was there already")


def _publish_dataset(arguments) -> None:
    from data_builder.source import Source
    from hub_cards.datasets import check_name, check_own_people, publish_dataset
    from run_directory.hub import hub_errors, open_repo

    path = Path(arguments.what)
    check_own_people(len(Source.load(path).added), arguments.with_own_people)
    if arguments.name is not None:
        check_name(arguments.name)
    api = open_repo(arguments.repo, "dataset", arguments.private)
    with hub_errors(arguments.repo):
        if not publish_dataset(api, path, arguments.repo, arguments.name):
            print(f"{arguments.repo}: everything was there already")


def _publish_space(arguments) -> None:
    from hub_cards.space import publish_space
    from run_directory.hub import check_id, hub_errors, open_repo
    from run_directory.models import find_record, saved_steps

    check_id(arguments.repo)
    model_id = _published(Path(arguments.what), arguments)
    saved_steps(model_id, find_record(model_id))  # a Space of nothing would fail where nobody looks
    api = open_repo(arguments.repo, "space", arguments.private)
    with hub_errors(arguments.repo):
        sent = publish_space(api, model_id, arguments.repo)
    print(f"{arguments.repo}: {'published' if sent else 'everything was there already'}")


def _published(run: Path, arguments) -> str:
    """The repository of a run; one of this machine is published first, as its config says or beside the Space."""
    from run_directory.hub import check_id
    from run_directory.records import load_run

    if not run.exists():
        check_id(arguments.what)
        return arguments.what
    repo = load_run(run).config.get("hub_model_id") or f"{arguments.repo.split('/')[0]}/{run.resolve().name}"
    if repo == arguments.repo:
        raise UserError(f"--repo {repo} would be the run's own repository; choose another name for the Space")
    _publish_run(run, repo, None, arguments)
    return repo


def _preview(arguments) -> None:
    """The model's card and, if a repository is named for it, that of the run's people."""
    from data_builder.source import Source
    from hub_cards.cards import model_card
    from hub_cards.datasets import population_card, population_name
    from hub_cards.revisions import check_final, left_out
    from run_directory.hub import check_id
    from run_directory.layout import DATASET
    from run_directory.records import load_run

    for repo_id in filter(None, (arguments.repo, arguments.dataset_repo)):
        check_id(repo_id)
    check_final(Path(arguments.what))
    if line := left_out(Path(arguments.what)):
        print(line, file=sys.stderr)  # the card alone goes to a file
    print(model_card(load_run(arguments.what), arguments.repo, arguments.dataset_repo))
    if arguments.dataset_repo:
        source = Source.load(Path(arguments.what) / DATASET)
        name = population_name(source)
        print(population_card(arguments.dataset_repo, source, name, configs=[], there={}))


def _verify(arguments) -> None:
    from hub_cards.verify import verify
    from run_directory.hub import check_id, hub_api, hub_errors

    check_id(arguments.what)
    with hub_errors(arguments.what):
        found = verify(hub_api(), arguments.what, arguments.download)
    for problem in found.problems:
        print(problem)
    if found.problems:
        raise UserError(f"{arguments.what}: {len(found.problems)} problem(s)")
    fine = "every revision is as its manifest says" if found.by_manifests else f"{found.steps:,} steps, nothing wrong"
    print(f"{arguments.what}: {fine}")


def _metrics(arguments) -> None:
    from hub_cards.metrics import write_metrics

    names = write_metrics(Path(arguments.what))
    print(f"{arguments.what}: {', '.join(names)}; evaluate.load('{Path(arguments.what) / names[0]}')")


def _publish_metrics(arguments) -> None:
    from hub_cards.metrics import EXAMPLES, metric_files, publish_metric
    from run_directory.hub import hub_errors, open_repo

    for name in EXAMPLES:
        space = f"{arguments.what}/{name}"
        metric_files(name)  # whether it can be made at all
        api = open_repo(space, "space", arguments.private)
        with hub_errors(space):
            sent = publish_metric(api, name, space)
        print(f"{space}: {'published' if sent else 'everything was there already'}")


if __name__ == "__main__":
    run(main)
