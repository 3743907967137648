"""What of a run is pushed, and where to."""

from dataclasses import dataclass
from typing import Literal

from settings.declare import Role, setting


@dataclass
class HubSettings:
    """Nothing is pushed that is not named here.

    Tokens come from `hf auth login` or HF_TOKEN, never from settings.
    """

    push_to_hub: bool = setting(False, "publish checkpoints while training, then the run", Role.ACTION)
    hub_model_id: str | None = setting(None, "model repository, e.g. me/facts-tiny", Role.PLACE)
    hub_dataset_id: str | None = setting(
        None, "dataset repository for the run's people, e.g. me/biographies; not published if None", Role.PLACE
    )
    hub_strategy: Literal["end", "every_save", "checkpoint", "all_checkpoints"] = setting(
        "every_save",
        "when to push: all at the end, or each checkpoint's model when it is saved; checkpoint also pushes the newest "
        "state (optimizers) to the branch last-checkpoint, all_checkpoints that of each checkpoint beside its model",
        Role.PLACE,
    )
    hub_private_repo: bool = setting(False, "make new repositories private", Role.PLACE)
    with_own_people: bool = setting(
        False, "publish also if the run knows people of a table of yours, whose names and facts everybody then reads",
        Role.ACTION,
    )  # fmt: skip
