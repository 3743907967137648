"""The settings of scripts that begin with a trained model: fine-tuning and patching."""

from dataclasses import dataclass
from typing import Literal

from settings.data import DatasetSettings, DataSettings, StreamSettings
from settings.declare import Role, setting, with_default
from settings.schedule import ScheduleSettings
from settings.training import TrainingSettings


@dataclass
class FinetuneSettings(DatasetSettings):
    """Which model learns of whom. People, tokenizer and sizes come along with it."""

    model: str | None = setting(
        None, "a run, a checkpoint in one, or any causal language model, directory or Hub id (required)", Role.INPUT
    )
    revision: str | None = setting(None, "revision on the Hub, e.g. step-000500; main if None", Role.INPUT)
    preset: str | None = setting(None, "name of the model's size; only checked against the model")
    individuals_finetune: Literal["new", "rare"] | None = setting(
        "new", "train on the group `new`, or on the last seen people, whom power_law and celebrities draw least"
    )  # fmt: skip
    n_individuals_finetune: int | None = setting(None, "people to train on; for `new`, all if None")
    new_individuals: str | None = with_default(DataSettings, "new_individuals", None)
    facts: str | None = with_default(DataSettings, "facts", None)
    facts_templates: str | None = with_default(DataSettings, "facts_templates", None)
    share_unseen: float = with_default(DataSettings, "share_unseen", 0.1)
    probe_facts: str | None = setting(
        None, "CSV table of facts that the model may know already; measured as `old`, never trained on", Role.INPUT
    )
    probe_text: str | None = setting(
        None, "text file; the model's perplexity on its beginning is measured, never trained on", Role.INPUT
    )
    share_random_words: float = setting(
        0.0, "share of each batch that is random words (REMIX, Chen et al. 2024)", cost=True
    )
    share_invented: float = setting(
        0.0,
        "share of each batch about invented people, on whom the model is held to the old one's predictions",
        cost=True,
    )
    share_unknown: float = with_default(StreamSettings, "share_unknown", 0.0)
    weight_distillation: float = setting(
        1.0, "share_invented: weight of the KL divergence in nats per token", at_least=0
    )
    share_generated: float = setting(
        0.0, "share of each batch that is biographies which the old model wrote by itself before the first step",
        cost=True,
    )  # fmt: skip
    n_generated: int = setting(
        1024, "share_generated, weight_ewc: texts that the old model writes", at_least=1, cost=True
    )
    weight_ewc: float = setting(
        0.0,
        "weight of each trained weight's squared way from the old one, times how much it matters to what the old model "
        "writes (EWC, Kirkpatrick et al. 2017); 1 is roughly one nat for a nat of divergence, per token",
        at_least=0,
    )
    weight_l2_start: float = setting(
        0.0, "weight of each trained weight's squared way from the old one (L2-SP, Li et al. 2018)", at_least=0
    )
    old_attention: bool = setting(
        False, "the model attends as the old one does on the same text, in training and where it is measured", cost=True
    )
    interpolations: list[float] | None = setting(
        None,
        "also evaluate models between old weights (0) and new ones (1) at the end, e.g. 0.25 0.5 0.75",
        cost=True,
        at_least=0,
        at_most=1,
    )


@dataclass
class FinetuneSchedule(ScheduleSettings):
    """Who is drawn when."""

    schedule: str = with_default(ScheduleSettings, "schedule", "replay")


@dataclass
class FinetuneTraining(TrainingSettings):
    """How to train. Defaults are the paper's (Sec. 4.2, App. F.1).

    AdamW as before, constant learning rate.
    """

    max_steps: int = with_default(TrainingSettings, "max_steps", 2_000)  # the paper leaves it open
    learning_rate: float = with_default(TrainingSettings, "learning_rate", 3e-5)
    lr_scheduler_type: str = with_default(TrainingSettings, "lr_scheduler_type", "constant")
    # Old knowledge goes within about 100 steps.
    evals_per_decade: int | None = with_default(TrainingSettings, "evals_per_decade", 6)
    eval_individuals: int = with_default(TrainingSettings, "eval_individuals", 96)
    attention_individuals: int = with_default(TrainingSettings, "attention_individuals", 16)


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
    layers_patching: list[int] | None = setting(
        None, "layers with that attention, from 1 on; all if None. 0: none, the optimizer alone begins anew", at_least=0
    )
    donor_patching: str | None = setting(
        None, "another run whose attention is used, at reference_patching: of another seed, or other people", Role.INPUT
    )
