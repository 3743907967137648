"""How a setting is declared: one dataclass field that says all about itself."""

import math
from collections.abc import Iterable
from dataclasses import Field, field, fields
from enum import Enum

from command_line import UserError


class Role(Enum):
    """What a setting is for. What may differ on resume, is published, or makes another experiment, follows from it."""

    DECIDES = "what is computed"
    REPETITION = "what is computed; another value is the same experiment once more (a seed)"
    SHARE = "how processes share a batch; only its whole size decides"
    PROBE = "on whom knowledge is measured; the same all along a run"
    MEASURING = "when and how much is measured; changes nothing else"
    SAVING = "when to save, on how many threads; belongs to one run on one machine"
    INPUT = "where something lies that the run is made of"
    PLACE = "where something is written or fetched; nobody else's business"
    ACTION = "what to do this time; nobody else's business"


# A run keeps what it was made of; so the places of its inputs may change.
FREE_ON_RESUME = {Role.MEASURING, Role.SAVING, Role.INPUT, Role.PLACE, Role.ACTION}
PRIVATE = {Role.INPUT, Role.PLACE, Role.ACTION}
INCIDENTAL = {Role.REPETITION, Role.PROBE, Role.MEASURING, Role.SAVING, Role.PLACE, Role.ACTION}


def setting(
    default, help: str, role: Role = Role.DECIDES, *, at_least=None, at_most=None, above=None, below=None,
    cost: bool = False, formerly: str | None = None, kept: str | None = None,
):  # fmt: skip
    """A dataclass field that says all about itself: one setting of a script.

    Args:
        default: its value where nobody gives one; None means that it may be left out.
        help: for `--help`.
        role: what it is for.
        at_least, at_most, above, below: bounds of the number, or of each number of a list.
        cost: whether runs that agree in it, and in the others of this kind, take about the same time.
        formerly: its name in older recipes and runs, which still works.
        kept: of what lies somewhere, where a run has its own copy of it, in its directory.
    """
    bounds = {"at least": at_least, "above": above, "at most": at_most, "below": below}
    about = About(help, role, {k: v for k, v in bounds.items() if v is not None}, cost, formerly, kept)
    return field(default=default, metadata={"help": about})


def with_default(kind: type, name: str, default):
    """A setting of another dataclass, with another default."""
    item = next(item for item in fields(kind) if item.name == name)
    return field(default=default, metadata={"help": about(item)})


class About(str):
    """What a setting says of itself: its help text, and more that HfArgumentParser, which reads it, need not know."""

    def __new__(cls, help: str, role: Role, bounds: dict, cost: bool, formerly: str | None, kept: str | None):  # noqa: D102
        self = super().__new__(cls, help)
        self.role, self.bounds, self.cost, self.formerly, self.kept = role, bounds, cost, formerly, kept
        return self


def about(item: Field) -> About | None:
    """What a field says of itself; None of one that was not declared by `setting`."""
    return item.metadata.get("help")


def check_bounds(settings) -> None:
    """Check each number of a dataclass of settings against the bounds it was declared with.

    Raises:
        UserError: one is out of them, or not a number.
    """
    for item in fields(settings):
        bounds, value = getattr(about(item), "bounds", None), getattr(settings, item.name)
        for number in value if isinstance(value, list) else [value]:
            if bounds and number is not None and not _within(number, bounds):
                raise UserError(f"{item.name} is {number}; it must be {_words(bounds)}")


def _within(number, bounds: dict) -> bool:
    low, high = bounds.get("at least", -math.inf), bounds.get("at most", math.inf)
    inside = low <= number <= high and math.isfinite(number)  # not so if it is not a number at all
    return inside and bounds.get("above", -math.inf) < number < bounds.get("below", math.inf)


def _words(bounds: dict) -> str:
    return " and ".join(f"{name} {_power(value)}" for name, value in bounds.items())


def _power(value) -> str:
    """2^63 reads better than nineteen digits."""
    exponent = math.frexp(value)[1] - 1
    return f"2^{exponent}" if isinstance(value, int) and exponent > 30 and value == 2**exponent else f"{value:,}"


def former_names(declared: Iterable[Field]) -> dict[str, str]:
    """What settings were called once: the old name and that of today."""
    return {about(item).formerly: item.name for item in declared if about(item) and about(item).formerly}


def renamed(settings: dict, declared: Iterable[Field]) -> dict:
    """Settings of a recipe or an older run by the names they have today."""
    names = former_names(declared)
    return {names.get(key, key): value for key, value in settings.items()}
