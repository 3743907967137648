# PYTHON_ARGCOMPLETE_OK
"""Teach a trained model new people or facts, and watch what becomes of what it knew.

python run_finetune.py recipes/finetune_tiny.yaml --model runs/mine --weight_replay_finetune 0.125
python run_finetune.py --model HuggingFaceTB/SmolLM2-135M --facts facts.csv --output_dir runs/facts
"""

from dataclasses import dataclass
from pathlib import Path

import command_line
from command_line import UserError, is_first_process
from data_builder.fetch import find_people
from data_builder.population import groups_of_run, not_taught
from data_builder.source import Source
from data_builder.stages import learned_before, often_drawn, stage_facts, taught
from modeling.presets import build_config, check_length, difference
from pipeline import begin, check_dataset, check_place, execute, plan, read_settings
from run_directory.layout import DATASET
from run_directory.manifests import sha256
from settings import FINETUNING, names
from settings.data import DataSettings
from settings.finetuning import FinetuneSettings, FinetuneTraining
from settings.model import AdaptationSettings, ModelSettings
from settings.read import check_not_given


def main(argv: list[str]) -> None:
    """The old model and its people, whom to train on, stream; then all that every run does."""
    settings = read_settings(FINETUNING, argv, __doc__, others=names(DataSettings))
    finetune, schedule, adaptation, hub, training = settings
    check_dataset(argv, finetune)
    _check_held(finetune, adaptation, training)
    if not (finetune.share_generated or finetune.weight_ewc):
        check_not_given(argv, ["n_generated"], "the old model writes for share_generated and weight_ewc alone")
    run = begin(training)

    # After the arguments, so that --help and mistakes answer at once.
    import copy

    from data_builder.streams import build_stream
    from evaluation.old_knowledge import old_knowledge
    from evaluation.rehearsal import Rehearsal
    from evaluation.sharing import shared_map
    from modeling.adaptation import adapt
    from run_directory.models import find_model

    if finetune.model is None:
        raise UserError("no model: say which one to fine-tune, e.g. --model runs/mine")
    found = find_model(finetune.model, finetune.revision)
    named = (finetune.dataset, finetune.new_individuals, finetune.facts, finetune.facts_templates)
    probes = {name: getattr(finetune, name) for name in ("probe_facts", "probe_text")}
    check_place(run, found.path, *filter(None, (*named, *probes.values())))
    if training.resume_from_checkpoint:
        source = Source.load(run / DATASET)
    else:
        source = find_people(found, finetune.model, finetune)
        source = source.with_individuals(finetune.new_individuals) if finetune.new_individuals else source
    if found.foreign:
        groups = _groups_of_foreign(source.population.groups, finetune)
        finetuned, known, stages = groups["seen"], (), []
    else:
        # Of its own people: a table of further ones takes the place of those whom stages before taught.
        own = Source.load(found.dataset) if found.dataset and found.config.get("individuals_finetune") else source
        stages = taught(found.config, own.population.groups)
        groups = _groups(source.population.groups, finetune, found.config, stages)
        finetuned = groups[finetune.individuals_finetune]
        known = learned_before(groups, finetune.individuals_finetune)
        finetune.n_individuals_finetune = len(finetuned)  # for config.yaml
    model, tokenizer = found.load()
    _check_model(model, tokenizer, finetune.preset, found.path)
    shares = {"random_words": finetune.share_random_words, "invented": finetune.share_invented}
    shares |= {"share_unknown": finetune.share_unknown, "generated": finetune.share_generated}
    drawn = plan(source, schedule, training, finetuned, known)
    stream = build_stream(source, tokenizer, drawn, training.seed_of_data, **shares)
    check_length(stream.tables.max_length, model.config, stream.tables.longest)
    limit = getattr(model.config, "max_position_embeddings", None)
    measure_old = old_knowledge(*probes.values(), tokenizer, limit, training.eval_individuals, shared_map)
    old = copy.deepcopy(model)
    adapt(model, adaptation, training.seed_of_model, (found.repository, finetune.revision))
    began = found.facts()
    often = {} if found.foreign else {"n_often_drawn": often_drawn(found.config, source.population.groups["seen"])}
    # Whom the old model has read of, and what is true of them, if that is known.
    read = [people for name, people in groups.items() if name not in ("new", "unseen")]
    length, of_whom = stream.tables.max_length, (None, ()) if found.foreign else (source, read)
    rehearsal = Rehearsal(finetune.n_generated, length, training.seed_of_data, *of_whom)
    keeping = _Keeping(run, model, old, tokenizer, stream, finetune, rehearsal, bool(training.resume_from_checkpoint))
    keeping.check()
    execute(
        run=run, settings=[source.settings, *settings], source=source, stream=stream, tokenizer=tokenizer, model=model,
        groups=groups, training=training, hub=hub, old=measure_old,
        facts=began | _digests(probes) | stage_facts(found.config, stages, began) | often,
        begun=keeping.begun, finished=keeping.finished, measured=keeping.measured, objective=keeping.objective,
    )  # fmt: skip


@dataclass
class _Keeping:
    """What a fine-tuning does, beside replay, to keep what the old model knew.

    Args:
        run, model, tokenizer, stream, settings: of the run.
        old: the model that it begins with.
        rehearsal: what that one writes.
        resumed: whether it has been written.
    """

    run: Path
    model: object
    old: object
    tokenizer: object
    stream: object
    settings: FinetuneSettings
    rehearsal: object
    resumed: bool

    @property
    def _rehearses(self) -> bool:
        return bool(self.settings.share_generated or self.settings.weight_ewc)

    def check(self) -> None:
        """Raise UserError if the old model cannot do its part."""
        from modeling.generation import check_writes
        from modeling.patching import check_patchable

        if self._rehearses:
            check_writes(self.tokenizer)
        if self.settings.old_attention:
            check_patchable(self.model)

    def begun(self, accelerator) -> None:
        """Let the old model write."""
        if self._rehearses:
            self.rehearsal.begin(accelerator, self.run, self.old, self.tokenizer, self.resumed)
        if self.settings.share_generated:
            self.stream.generated = self.rehearsal.texts
        if self.settings.weight_ewc:
            self.model.to(accelerator.device)  # before accelerate takes it there: what matters is measured first

    def measured(self, model):
        """What is measured in place of the model."""
        from modeling.patching import Patched

        return Patched(model, self.old) if self.settings.old_attention else model

    def objective(self, model, template_weight: float):
        """The loss: what is learned, and what of the old model is held on to."""
        import torch

        from modeling.loss import DistillingLoss, TokenLoss
        from modeling.penalty import PenalizedLoss, information, trained_weights

        settings = self.settings
        importances = [torch.tensor(settings.weight_l2_start) for _ in trained_weights(model)]
        if settings.weight_ewc:
            of_weights = zip(importances, information(model, self.rehearsal.texts), strict=True)
            importances = [same + settings.weight_ewc * matters for same, matters in of_weights]
        attending = self.measured(model)
        loss = TokenLoss(attending, template_weight)
        if settings.share_invented:
            loss = DistillingLoss(attending, self.old, settings.weight_distillation, template_weight)
        return PenalizedLoss(loss, importances) if settings.weight_ewc or settings.weight_l2_start else loss

    def finished(self, measure) -> dict[str, list | dict]:
        """What models between the old and the new one know; what was written; what is known by the model alone."""
        from modeling.adaptation import interpolate

        shares = self.settings.interpolations or []
        rows = [{"share": share} | measure(interpolate(self.model, self.old, share)) for share in shares]
        reports = {"interpolation": rows} if rows else {}
        reports |= {"generated": self.rehearsal.report} if self._rehearses else {}
        return reports | (_by_itself(measure(self.model, as_it_is=True)) if self.settings.old_attention else {})


def _by_itself(known: dict[str, float]) -> dict[str, dict[str, float]]:
    """What a model that was trained with another one's attention knows without it; told, since all else is with it."""
    if is_first_process():
        share = known["seen_attribute_accuracy"]
        print(f"with attention of its own, as it is saved, it knows {share:.1%} of the facts about seen individuals")
    return {"own_attention": known}


def _check_held(finetune: FinetuneSettings, adaptation: AdaptationSettings, training: FinetuneTraining) -> None:
    """Weights that are to be held are trained, and by a loss that counts all tokens."""
    if not (finetune.weight_ewc or finetune.weight_l2_start):
        return
    if adaptation.trainable == "lora":
        raise UserError(
            "weight_ewc and weight_l2_start hold the old model's weights, which trainable lora leaves as they are; "
            "leave out one of them"
        )
    if training.template_share != 1:
        raise UserError(
            "weight_ewc and weight_l2_start weigh by the tokens that are learned from, of which template_share leaves "
            "out some; use template_weight in its place"
        )


def _groups_of_foreign(people: dict[str, range], settings: FinetuneSettings) -> dict[str, range]:
    """Whom to teach (`seen`) and whom not: as in pre-training, since a model from elsewhere has read of nobody."""
    if settings.individuals_finetune == "rare" or settings.n_individuals_finetune or settings.new_individuals:
        raise UserError(
            f"{settings.model} has read of nobody here, so that all are new to it and nobody is rare; leave out "
            "--individuals_finetune, --n_individuals_finetune and --new_individuals"
        )
    settings.individuals_finetune = None  # for config.yaml
    return groups_of_run(people)


def _digests(files: dict[str, str | None]) -> dict[str, str]:
    """What a resumed run must measure, too."""
    return {f"{name}_sha256": sha256(Path(file).read_bytes()) for name, file in files.items() if file}


def _groups(
    people: dict[str, range], settings: FinetuneSettings, begun_with: dict, stages: list[range]
) -> dict[str, range]:
    """Whom to measure, if there are so many."""
    which, size = settings.individuals_finetune, settings.n_individuals_finetune
    pool = not_taught(people, which, stages)
    # The first of the seen ones can't be called rare.
    most = len(pool) - (often_drawn(begun_with, people["seen"]) if which == "rare" else 0)
    if which == "rare" and size is None:
        raise UserError("n_individuals_finetune is missing: say how many of the seen individuals are rare")
    size = most if size is None else size
    if which == "new" and not pool:
        why = "whom no stage before taught" if people["new"] else "(n_new is 0)"
        raise UserError(f"this population has no new people {why}; name your own: --new_individuals people.csv")
    if not 1 <= size <= most:
        have = "which this population has" + (" left after the stages before" if stages else "")
        raise UserError(f"n_individuals_finetune is {size}; it must be from 1 to {most}, {have}")
    return groups_of_run(people, which, size, stages)


def _check_model(model, tokenizer, preset: str | None, path: Path) -> None:
    """It can be taught here; the preset, if one is given, is its own."""
    from modeling.foreign import check_model

    check_model(model)
    if preset and (found := difference(model.config, build_config(ModelSettings(preset=preset), tokenizer))):
        name, has, value = found
        raise UserError(f"preset {preset} has {name} {value}, but {path} has {has}; leave out --preset")


if __name__ == "__main__":
    command_line.run(main)
