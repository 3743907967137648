"""Who exists, and where they come from if they are not made anew."""

from dataclasses import dataclass
from typing import Literal

from settings.declare import Role, setting


@dataclass
class DataSettings:
    """Who exists. Defaults are the paper's (Sec. 1; 16k held-out people)."""

    n_individuals: int = setting(64_000, "individuals of pre-training (group `seen`)", at_least=1)
    n_unseen: int = setting(16_000, "individuals never trained on (group `unseen`)", at_least=0)
    n_new: int = setting(16_000, "individuals kept for fine-tuning (group `new`)", at_least=0)
    n_heldout_templates: int = setting(
        5, "templates of each attribute held out per individual, for evaluation", at_least=1
    )
    entries_per_list: int | None = setting(
        None,
        "entries in use of each word list; all if None; a small world needs few, or one name gives a person away",
        at_least=1,
    )
    names_per_list: int | None = setting(
        None, "entries in use of each list of names; entries_per_list if None", at_least=1
    )
    population_seed: int = setting(
        0, "seed of names, values and template splits", Role.REPETITION, at_least=0, below=2**64
    )
    values_dir: str | None = setting(
        None, "directory of your own word lists and their world.yaml", Role.INPUT, kept="dataset/source/values"
    )
    templates_dir: str | None = setting(
        None, "directory of your own templates", Role.INPUT, kept="dataset/source/templates"
    )
    new_individuals: str | None = setting(
        None,
        "CSV table of your own people (name and attributes), to be the group `new` instead of n_new others",
        Role.INPUT,
        kept="dataset/source/new_individuals.csv",
    )
    facts: str | None = setting(
        None,
        "CSV table of your own facts, a column `name` and any others: a world of its own, instead of all others",
        Role.INPUT,
        kept="dataset/source/facts.csv",
    )
    facts_templates: str | None = setting(
        None,
        "text file of sentences like `The capital of {name} is {capital}.`; generic ones for columns without any",
        Role.INPUT,
        kept="dataset/source/facts_templates.txt",
    )
    share_unseen: float = setting(
        0.1, "facts: share of the rows that is never trained on (group `unseen`)", at_least=0, below=1
    )


@dataclass
class DatasetSettings:
    """Which people, if they are not made anew."""

    dataset: str | None = setting(
        None, "a built dataset, directory or Hub repository; its people replace those of n_individuals etc.",
        Role.PLACE, kept="dataset",
    )  # fmt: skip
    dataset_name: str | None = setting(
        None, "population to use, e.g. 64k, if the Hub repository holds several", Role.PLACE
    )
    dataset_revision: str | None = setting(None, "revision of the Hub repository; main if None", Role.PLACE)


@dataclass
class StreamSettings(DatasetSettings):
    """Which dataset, and how biographies are drawn from it."""

    redraw_values: bool = setting(False, "control: new values in each biography, so that nobody can be known")
    templates_per_individual: int | None = setting(
        None, "templates of each attribute that a person is told in; all that are not held out if None", at_least=1
    )
    sentence_order: Literal["random", "fixed"] = setting(
        "random", "order of a biography's sentences: random each time, or always that of the attributes"
    )

    share_questions: float = setting(
        0.0, "share of each batch that asks: question-answer pairs about some of the seen individuals", at_least=0,
        at_most=1,
    )  # fmt: skip
    share_asked: float = setting(
        0.5, "share_questions: share of the seen individuals who are asked about; the others are measured, too",
        above=0, below=1,
    )  # fmt: skip

    share_unknown: float = setting(
        0.0, "share of each batch about invented people, whose values read `unknown`: to know what one does not know",
        at_least=0, below=1,
    )  # fmt: skip

    def told(self) -> dict:
        """What `build_stream` takes of them."""
        names = ("redraw_values", "templates_per_individual", "sentence_order", "share_questions", "share_asked",
                 "share_unknown")  # fmt: skip
        return {name: getattr(self, name) for name in names}
