"""Whose attention a patched run has."""

from dataclasses import dataclass

from command_line import Role, setting


@dataclass
class PatchingSettings:
    """Whose attention, and from when on (paper, Sec. 2.2 and App. D)."""

    reference: str | None = setting(
        None,
        "run to repeat, as directory or Hub repository; its config.yaml has all other settings (required)",
        Role.INPUT,
    )
    reference_patching: int | None = setting(
        None, "saved step of the reference whose attention is used; 0 is the untrained model (required)"
    )
    start_patching: int = setting(
        0, "first step with that attention; until then the model is trained as the reference was"
    )
