"""All settings of all scripts, each dataclass under the heading that `--help` gives it.

Each setting says all about itself where it is declared (`settings.declare.setting`).

Nothing but dataclasses, so that everyone may ask what a setting is for without loading what it is used by.
"""

from dataclasses import Field, fields

from command_line import ENVIRONMENT_KEY
from settings.data import DataSettings, StreamSettings
from settings.declare import FREE_ON_RESUME, INCIDENTAL, PRIVATE, Role, about, renamed
from settings.finetuning import FinetuneSchedule, FinetuneSettings, FinetuneTraining, PatchingSettings
from settings.hub import HubSettings
from settings.model import AdaptationSettings, ModelSettings
from settings.schedule import ScheduleSettings
from settings.training import TrainingSettings

# What each script takes, in the order of --help.
PRETRAINING = (DataSettings, StreamSettings, ScheduleSettings, ModelSettings, HubSettings, TrainingSettings)
FINETUNING = (FinetuneSettings, FinetuneSchedule, AdaptationSettings, HubSettings, FinetuneTraining)
PATCHING = (PatchingSettings, *PRETRAINING)


def names(*types: type) -> list[str]:
    """Of all settings in dataclasses."""
    return list(dict.fromkeys(item.name for kind in types for item in fields(kind)))


def _declared() -> dict[str, Field]:
    return {item.name: item for kind in (*FINETUNING, *PATCHING) for item in fields(kind)}


def role(name: str) -> Role:
    """What a setting is for; one that nobody declares (any more) decided what was computed."""
    return about(DECLARED[name]).role if name in DECLARED else Role.DECIDES


def kept(name: str) -> str | None:
    """Where a run has its own copy of what a setting names, in its directory; None if it keeps none."""
    return about(DECLARED[name]).kept if name in DECLARED else None


def of_roles(*roles: Role) -> set[str]:
    """The settings that are for one of these."""
    return {name for name, item in DECLARED.items() if about(item).role in roles}


def today(config: dict) -> dict:
    """A run's config.yaml by the names that settings have today."""
    return renamed(config, DECLARED.values())


def public(config: dict) -> dict:
    """A config without what is true on one machine only, or nobody's business but its owner's."""
    return {key: value for key, value in config.items() if key != ENVIRONMENT_KEY and role(key) not in PRIVATE}


DECLARED = _declared()
MAY_DIFFER_ON_RESUME = of_roles(*FREE_ON_RESUME)
SHARES = of_roles(Role.SHARE)
# What differs between runs without making them another experiment. Inputs are compared, by their names.
SAME_EXPERIMENT = of_roles(*INCIDENTAL) | {ENVIRONMENT_KEY}
COST = [name for name, item in DECLARED.items() if about(item).cost]
