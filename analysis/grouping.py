"""Which runs are the same experiment with other seeds, what such a group is called, and in what groups differ."""

from collections.abc import Iterable, Sequence
from itertools import product

from analysis.drawing import Groups
from command_line import UserError
from run_directory.layout import DATASET, without_seed
from run_directory.manifests import sha256
from run_directory.records import Run
from settings import SAME_EXPERIMENT, kept, role
from settings.declare import Role
from settings.schedule import is_read


def grouped(runs: Iterable[Run], labels: Sequence[str] = ()) -> Groups:
    """Runs of the same settings, seeds apart, by the names of their directories, or by labels that somebody gives.

    Args:
        runs: any.
        labels: one for each group, in the order of its first run.

    Raises:
        UserError: not as many labels as groups, or one twice.
    """
    runs = list(runs)
    varying = _varying(runs)
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(_value(run, key) for key in varying), []).append(run)
    found = list(groups.values())
    if not labels:
        return dict(zip(_directory_names(found), found, strict=True))
    if len(labels) != len(found) or len(set(labels)) != len(labels):
        members = " | ".join(" ".join(str(run.path) for run in group) for group in found)
        raise UserError(
            f"--labels: {len(labels)} given, {len(set(labels))} of them different, for {len(found)} groups of the same "
            f"settings; give one for each, in this order: {members}"
        )
    return dict(zip(labels, found, strict=True))


def differences(groups: Groups) -> dict[str, str]:
    """The settings of each group in which the groups differ, as words."""
    first = {name: group[0] for name, group in groups.items()}
    varying = _varying(list(first.values()))
    return {name: ", ".join(filter(None, (_words(run, key) for key in varying))) for name, run in first.items()}


def differing(groups: Groups) -> dict[str, dict[str, str | None]]:
    """The settings in which groups differ, and what each has; None where it has none, or nothing reads it."""
    first = {name: group[0] for name, group in groups.items()}
    varying = _varying(list(first.values()))
    rows = {key: {name: _told(run, key) for name, run in first.items()} for key in varying}
    return {key: row for key, row in rows.items() if len({*row.values()}) > 1}


def _told(run: Run, key: str) -> str | None:
    words = None if run.config.get(key) is None else _words(run, key)
    return words and words.removeprefix(f"{key} ")


def _varying(runs: list[Run]) -> list[str]:
    """Settings in which runs differ as experiments, the schedule first."""
    keys = sorted(
        set().union(*(run.config for run in runs)) - SAME_EXPERIMENT, key=lambda key: (key != "schedule", key)
    )
    return [key for key in keys if len({_value(run, key) for run in runs}) > 1]


def _value(run: Run, key: str) -> str | None:
    """A setting; None if the run's schedule does not read it. Of texts, what they hold: one path may hold others later,
    and two paths the same. What a sweep made with the same seed is the same for all seeds.
    """
    if not is_read(key, run.config.get("schedule")):
        return None
    value = str(run.config.get(key))
    if role(key) is Role.INPUT:
        value = value.replace(f"seed{run.config.get('seed')}", "seed")
    return _digest(run, key) or value


def _words(run: Run, key: str) -> str | None:
    """A setting with its name; of texts, where they lay and what tells them from others that lay there."""
    value, digest = _value(run, key), _digest(run, key)
    if value is None:
        return None
    return f"{key} {run.config.get(key)} ({digest})" if digest else f"{key} {value}"


def _digest(run: Run, key: str) -> str | None:
    """The beginning of a sha256 of the texts that a run keeps (`none` without any); None if it keeps no such ones."""
    if not kept(key) or not (run.path / DATASET).is_dir():
        return None
    place = run.path / kept(key)
    files = [file for file in (place, *sorted(place.glob("[!.]*"))) if file.is_file()]
    texts = [f"{file.name} {sha256(file.read_bytes())}" for file in files]
    return sha256("\n".join(texts).encode())[:8] if texts else "none"


def _directory_names(groups: Sequence[Sequence[Run]]) -> list[str]:
    """The name of each group's directories, with as many of their parents as tell groups apart.

    It is `mine` of mine-seed0 and mine-seed1, if nothing else is called so.
    """
    paths = [[run.path.resolve().parts for run in group] for group in groups]
    deepest = max(len(parts) for group in paths for parts in group)
    for shorten, depth in product((True, False), range(1, deepest + 1)):
        names = [_common_name(["/".join(parts[-depth:]) for parts in group], shorten) for group in paths]
        if len(set(names)) == len(names):
            return names
    raise UserError("two groups are the same directories; name each run once")


def _common_name(names: list[str], shorten: bool) -> str:
    if shorten and len(names) > 1:
        names = [without_seed(name) for name in names]
    return ", ".join(dict.fromkeys(names))
