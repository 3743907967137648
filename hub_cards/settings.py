"""What of a run is pushed, and where to."""

from dataclasses import dataclass, field


@dataclass
class HubSettings:
    """Nothing is pushed that is not named here. Tokens come from `hf auth login` or HF_TOKEN, never from settings."""

    push_to_hub: bool = field(default=False, metadata={"help": "publish checkpoints while training, then the run"})
    hub_model_id: str | None = field(default=None, metadata={"help": "model repository, e.g. me/facts-tiny"})
    hub_dataset_id: str | None = field(
        default=None, metadata={"help": "dataset repository to publish the run's people to, e.g. me/biographies"}
    )
    hub_private_repo: bool = field(default=False, metadata={"help": "make new repositories private"})
