# PYTHON_ARGCOMPLETE_OK
"""Train a model once more, with the attention of a frozen checkpoint of the same run, to see why there is a plateau.

python run_patching.py recipes/patching_tiny.yaml --reference runs/mine --reference_patching 500
"""

from collections.abc import Callable
from dataclasses import replace

import command_line
import run_pretrain
from command_line import ENVIRONMENT_KEY, UserError
from data_builder.fetch import find_people
from data_builder.population import groups_of_run
from modeling.presets import build_config, build_model, difference
from pipeline import begin, check_dataset, check_place, execute, read_settings
from run_directory.models import FoundModel, find_record, find_step
from settings import PATCHING, of_roles, role
from settings.declare import Role
from settings.finetuning import PatchingSettings
from settings.model import ModelSettings
from settings.read import check_not_given
from settings.training import TrainingSettings

NO_LAYER = 0  # of layers_patching: the control, in which the optimizer begins anew and no more


def main(argv: list[str]) -> None:
    """The reference's people, stream and model, and its attention; then all that every run does."""
    patching = _patching(argv)
    found = _reference(patching)
    # As in the reference, but for where it was written and shared and when it was saved.
    own = of_roles(Role.SAVING, Role.INPUT, Role.PLACE, Role.ACTION)
    inherited = {key: value for key, value in found.config.items() if key not in own}
    _, _, *others = read_settings(PATCHING, argv, __doc__, base=inherited)
    stream_settings, schedule, model_settings, hub, training = others
    check_dataset(argv, stream_settings)
    run = begin(training)
    check_place(run, found.path, *filter(None, [patching.donor_patching]))

    # After the arguments, so that --help and mistakes answer at once.
    from data_builder.streams import train_own_tokenizer
    from modeling.loss import TokenLoss

    source = find_people(found, patching.reference, stream_settings)
    settings = [patching, source.settings, *others]
    _check_same(settings[1:], found.config, patching.reference, training)
    tokenizer = train_own_tokenizer(source, stream_settings)
    stream = run_pretrain.build_stream(source, tokenizer, schedule, training, stream_settings)
    if stream.schedule.watching:
        raise UserError(f"{schedule.schedule} reacts to training, so that a patched model would see other batches")

    def build(run: str, step: int):
        return _model(run, step, model_settings, tokenizer, stream.tables.max_length, training.seed_of_model)

    model = build(patching.reference, patching.start_patching)
    patched, facts = _patch(model, patching, build)
    groups = groups_of_run(source.population.groups)
    execute(
        run=run, settings=settings, source=source, stream=stream, tokenizer=tokenizer, model=model, groups=groups,
        training=training, hub=hub, facts=facts, measured=lambda _: patched,
        # The loss is that of the patched model, whose trained part the loop has.
        objective=lambda _, template_weight: TokenLoss(patched, template_weight),
        progress=_progress(found, patching.start_patching),
    )  # fmt: skip


def _patch(model, settings: PatchingSettings, build: Callable):
    """The patched model, or the model as it is where no layer is, and what config.yaml records of whose attention it
    has, wherever that lies when the run is resumed.
    """
    from modeling.patching import Patched, blocks

    n_layers, layers = len(blocks(model)), settings.layers_patching
    if layers == [NO_LAYER]:
        return model, {}
    if layers and not set(layers) <= set(range(1, n_layers + 1)):
        there = ", ".join(map(str, range(1, n_layers + 1)))
        raise UserError(
            f"layers_patching is {' '.join(map(str, layers))}; the model has the layers {there}, or 0 alone for none"
        )
    donor, step = settings.donor_patching or settings.reference, settings.reference_patching
    facts = find_step(donor, step).facts() if step else {"base_model_sha256": None}
    return Patched(model, build(donor, step), layers), {"reference_sha256": facts["base_model_sha256"]}


def _patching(argv: list[str]) -> PatchingSettings:
    """Whose attention it is, after the checks that need nothing else."""
    settings = read_settings(PATCHING, argv, __doc__)[0]
    if settings.reference is None:
        raise UserError("no reference: say whose attention is used, e.g. --reference runs/mine")
    if settings.layers_patching == [NO_LAYER]:
        of_patched = ("reference_patching", "donor_patching")
        check_not_given(argv, of_patched, "layers_patching is 0, so no layer has other attention")
        return replace(settings, **dict.fromkeys(of_patched))
    if settings.reference_patching is None:
        raise UserError("no reference_patching: say of which step, e.g. --reference_patching 500, or 0 for untrained")
    if donor := settings.donor_patching:
        if settings.reference_patching == 0:
            raise UserError("reference_patching is 0, an untrained model, which no run lends; leave out donor_patching")
        lent = find_record(donor).config
        if lent.get("reference_patching") is not None or lent.get("old_attention"):
            raise UserError(
                f"{donor} is patched itself, its own attention is not trained; name a run of run_pretrain.py"
            )
    return settings


def _reference(settings: PatchingSettings) -> FoundModel:
    """The run that is done again."""
    found = find_record(settings.reference)
    for key, what in {"n_individuals_finetune": "a fine-tuning", "start_patching": "patched itself"}.items():
        if key in found.config:
            raise UserError(f"{settings.reference} is {what}; a reference is a run of run_pretrain.py")
    if other := found.config.get("init_from"):
        raise UserError(f"{settings.reference} began as {other}; a reference begins untrained")
    if (gain := found.config.get("name_gain", 1)) != 1:
        raise UserError(f"{settings.reference} was trained with name_gain {gain:g}; a reference is trained without")
    if not 0 <= settings.start_patching < found.config["max_steps"]:
        raise UserError(
            f"start_patching is {settings.start_patching}; it must be from 0 to below max_steps "
            f"{found.config['max_steps']} of {settings.reference}"
        )
    return found


def _check_same(settings: list, config: dict, reference: str, training: TrainingSettings) -> None:
    """Whether all that decides about batches and updates is as in the reference."""
    from run_directory.config import batch_size, changed, resolve
    from training.start import n_processes

    given = resolve(settings)
    for key, then in changed(settings, config).items():
        if role(key) is not Role.PROBE:
            raise UserError(
                f"{key} is {given[key]}, but {reference} has {then}; a patched run differs from its reference in "
                "attention alone"
            )
    now, then = training.batch_size(n_processes()), batch_size(config, config[ENVIRONMENT_KEY]["n_processes"])
    if now != then:
        raise UserError(
            f"{n_processes()} process(es) make batches of {now}, but {reference} has {then}; "
            "change per_device_train_batch_size or gradient_accumulation_steps"
        )


def _model(reference: str, step: int, settings: ModelSettings, tokenizer, max_length: int, seed: int):
    """The reference as it was at a step; at step 0, as every run with its seed begins."""
    if step == 0:
        return build_model(settings, tokenizer, max_length, seed)
    found = find_step(reference, step)
    model, own_tokenizer = found.load()
    if own_tokenizer.get_vocab() != tokenizer.get_vocab():
        raise UserError(
            f"{found.path} has another tokenizer than the one made from the reference's people: "
            "its word lists or templates are others"
        )
    if differs := difference(model.config, build_config(settings, tokenizer)):
        name, has, wanted = differs
        raise UserError(
            f"{found.path} is of another architecture: {name} is {has}, the reference's config.yaml makes {wanted}"
        )
    return model


def _progress(found: FoundModel, step: int):
    """How far the reference had come at a step."""
    from run_directory.records import load_run
    from training.checkpoints import Progress

    if step == 0:
        return Progress()
    record = next(record for record in load_run(found.path).records if record["step"] == step)
    return Progress(step, record["tokens"], record["biographies"])


if __name__ == "__main__":
    command_line.run(main)
