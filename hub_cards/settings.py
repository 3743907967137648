"""What of a run is pushed, and where to; where its people come from."""

from dataclasses import dataclass

from command_line import setting


@dataclass
class HubSettings:
    """Nothing is pushed that is not named here. Tokens come from `hf auth login` or HF_TOKEN, never from settings."""

    push_to_hub: bool = setting(False, "publish checkpoints while training, then the run")
    hub_model_id: str | None = setting(None, "model repository, e.g. me/facts-tiny")
    hub_dataset_id: str | None = setting(None, "dataset repository to publish the run's people to, e.g. me/biographies")
    hub_private_repo: bool = setting(False, "make new repositories private")


@dataclass
class DatasetSettings:
    """Which people, if they are not made anew."""

    dataset: str | None = setting(
        None, "a built dataset, directory or Hub repository; its people replace those of n_individuals etc."
    )
    dataset_name: str | None = setting(None, "which population of a Hub repository that holds several, e.g. 64k")
    dataset_revision: str | None = setting(None, "revision of the Hub repository")
