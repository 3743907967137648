"""Whose attention a patched run has."""

from dataclasses import dataclass

from command_line import Role, setting


@dataclass
class PatchingSettings:
    """Whose attention, and from when on (paper, Sec. 2.2 and App. D)."""

    reference: str | None = setting(
        None,
        "the run to do again, a directory or a Hub repository; its config.yaml has all other settings (required)",
        Role.INPUT,
    )
    reference_patching: int | None = setting(
        None, "step at which the reference was saved whose attention is used; 0 is the untrained model (required)"
    )
    start_patching: int = setting(
        0, "step from which on it is used; above 0, the model and the reference share their training until then"
    )
