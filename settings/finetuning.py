"""The settings of a fine-tuning."""

from dataclasses import dataclass
from typing import Literal

from command_line import Role, setting
from settings.data import DatasetSettings
from settings.schedule import ScheduleSettings
from settings.training import TrainingSettings


@dataclass
class FinetuneSettings(DatasetSettings):
    """Which model learns of whom. Its people, tokenizer and sizes come along with the model."""

    model: str | None = setting(
        None, "the trained model: a run, a checkpoint in one, or a Hub repository (required)", Role.INPUT
    )
    revision: str | None = setting(None, "revision of the Hub repository, e.g. step-000500", Role.INPUT)
    preset: str | None = setting(None, "the model's size by name; only checked, since the model has its own")
    individuals_finetune: Literal["new", "rare"] = setting(
        "new", "whom to train on: people of the group `new`, or the last of the seen ones, whom power_law and "
        "celebrities draw least"
    )  # fmt: skip
    n_individuals_finetune: int | None = setting(None, "how many of them; for `new`, all if not given")
    new_individuals: str | None = setting(
        None, "CSV table of own people (name and attributes) to be the new ones", Role.INPUT
    )
    share_random_words: float = setting(
        0.0, "share of each batch that is random words (REMIX, Chen et al. 2024)", cost=True
    )
    share_invented: float = setting(
        0.0,
        "share of each batch that is about invented people, where the model is held to the old one's predictions",
        cost=True,
    )
    weight_distillation: float = setting(1.0, "share_invented: weight of the divergence from the old model, per token")
    interpolations: list[float] | None = setting(
        None,
        "at the end, also measure models between the old weights (0) and the new ones (1), e.g. 0.25 0.5 0.75",
        cost=True,
    )


@dataclass
class FinetuneSchedule(ScheduleSettings):
    """Who is drawn when."""

    schedule: str = setting("replay", "who is drawn when, by name: docs/SCHEDULES.md")


@dataclass
class FinetuneTraining(TrainingSettings):
    """How to train. Defaults are the paper's (Sec. 4.2, App. F.1): AdamW as before, constant learning rate."""

    max_steps: int = setting(2_000, "updates; the paper leaves it open", at_least=1, cost=True)
    learning_rate: float = setting(3e-5, "peak learning rate of AdamW", at_least=0)
    lr_scheduler_type: Literal["cosine", "constant", "linear"] = setting("constant", "how it decays to 0, or does not")
    evals_per_decade: int | None = setting(
        6,
        "beside eval_steps, measure so often in each tenfold of steps: old knowledge goes within about 100 steps",
        Role.MEASURING,
        at_least=1,
        cost=True,
    )
    eval_individuals: int = setting(96, "individuals measured in each group", Role.PROBE, at_least=1, cost=True)
    attention_individuals: int = setting(
        16, "on how many of the seen ones of these attention is measured, too", Role.MEASURING, at_least=1
    )
