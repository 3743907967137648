"""Cards that tell the truth: filled from directories alone; what was not recorded says so."""

import yaml
from huggingface_hub import DatasetCardData, EvalResult, ModelCardData
from markupsafe import Markup
from safetensors import SafetensorError, safe_open

from analysis.curves import GROUPS, groups_of
from analysis.phases import TOLERANCE, phases_of
from command_line import ENVIRONMENT_KEY, UserError
from data_builder.questions import ASKED
from data_builder.source import saved_world
from data_builder.world import load_world
from evaluation.citation import CITATION
from hub_cards.markdown import code_block, render, with_links
from hub_cards.revisions import checkpoint_branch, sound_checkpoints
from modeling.families import family_of
from run_directory.layout import ADAPTER_FOLDER, DATASET, FIGURES, LEARNING_CURVE, WEIGHTS
from run_directory.records import Run
from settings import public

MISSING = "not recorded"
_TAGS = ["synthetic", "factual-knowledge", "biographies", "training-dynamics"]
_PACKAGES = ("python", "torch", "transformers", "datasets", "accelerate", "tokenizers", "evaluate", "numpy")
_DATASETS = "https://huggingface.co/datasets"


def model_card(run: Run, repo_id: str, dataset_id: str | None = None, branches: list[str] | None = None) -> str:
    """The card of a run's model repository, with metadata for the Hub.

    Args:
        run: a loaded run.
        repo_id: where it is or will be published.
        dataset_id: where its people are published, if they are.
        branches: the revisions that are checkpoints; those that are here if None.
    """
    branches = branches or [checkpoint_branch(step) for step in sound_checkpoints(run.path)]
    recorded = run.config.get(ENVIRONMENT_KEY) or {}
    last = next(record for record in reversed(run.records) if "seen_attribute_loss" in record)
    figure, world = f"{FIGURES}/{LEARNING_CURVE}", saved_world(run.path / DATASET)
    return render(
        "model_card.md.j2",
        _model_data(run, last, repo_id, dataset_id, world.entities),
        name=repo_id.split("/")[-1],
        repo_id=Markup(repo_id),
        model=_model(run),
        people=number(run.config.get("n_individuals")),
        world=world,
        own_texts=any(run.config.get(key) for key in ("values_dir", "templates_dir")),
        steps=list(map(Markup, branches)),
        adapter=(run.path / ADAPTER_FOLDER).is_dir(),
        figure=Markup(figure) if (run.path / figure).exists() else None,
        seed=_seed(run.config),
        finetuned_on=_finetuned_on(run, world.entities),
        taught=_taught(run, recorded),
        stages=_stages(run, recorded, world.entities),
        own_facts=bool(run.config.get("facts")),
        patching=run.config if "reference_patching" in run.config else None,
        old_attention=run.config.get("old_attention"),
        by_itself=(run.own_attention or {}).get("seen_attribute_accuracy"),
        measured_groups=_measured_groups(run, last),
        detection=run.hallucination and run.hallucination["detectors"]["top_probability"]["auroc"],
        last={"no_knowledge_baseline": last.get("no_knowledge_baseline")} | {k: number(last.get(k)) for k in _COUNTED},
        measured=f"up to {run.config.get('eval_individuals', MISSING)}",
        phases=phases_of(run) if run.has_phases else None,
        tolerance=TOLERANCE,
        duration=f"{last['seconds'] / 60:.1f} minutes" if "seconds" in last else MISSING,
        environment=lambda key: recorded.get(key) if recorded.get(key) is not None else MISSING,
        dataset=Markup(f"[{dataset_id}]({_DATASETS}/{dataset_id})" if dataset_id else "`dataset/` in this repository"),
        recipe=code_block(yaml.safe_dump(public(run.config), sort_keys=False), "yaml"),
        versions=", ".join(f"{name} {recorded[name]}" for name in _PACKAGES if name in recorded) or MISSING,
        attribution=with_links(world.attribution),
        citation=Markup(CITATION),
        number=number,
        percent=percent,
        step=lambda edge: "not reached" if edge is None else f"at step {edge:.0f}",
    )


def _seed(config: dict) -> str:
    """The seed, and those of data or model where they are others."""
    others = [f"{key} {config[key]}" for key in ("data_seed", "model_seed") if config.get(key) is not None]
    seed = str(config.get("seed", MISSING))
    return f"{seed} ({', '.join(others)})" if others else seed


def _taught(run: Run, recorded: dict) -> str | None:
    """What a run that taught a model from elsewhere, or went on from another one, began as; None of others."""
    began = run.config.get("init_from") or (run.config.get("model") if run.finetune_group is None else None)
    return began and (recorded.get("base_model") or "another model")


_COUNTED = ("step", "biographies", "tokens")


_GROUPS = {"seen": "seen", "new": "new (fine-tuned on)", "rare": "rare (fine-tuned on)", "unseen": "unseen"}
_METRICS = ("attribute_loss", "attribute_accuracy", "top_probability", "entropy")


def _measured_groups(run: Run, last: dict) -> list[dict]:
    """A row for the seen and the unseen, and for the finetune group."""
    groups = {group: name for group, name in _GROUPS.items() if group in ("seen", "unseen", run.finetune_group)}
    stages = {group: name for group, name in groups_of(run).items() if group not in GROUPS}
    groups = {"seen": groups["seen"]} | {group: f"{name} (fine-tuned on)" for group, name in stages.items()} | groups
    numbers = {group: {metric: last.get(f"{group}_{metric}") for metric in _METRICS} for group in groups}
    return [{"group": name} | numbers[group] for group, name in groups.items()]


def _stages(run: Run, recorded: dict, entities: str) -> list[dict]:
    """What the model went through, a row each: the run, and whom it taught; nothing of a model of one stage or two."""
    if not (earlier := recorded.get("stages")):
        return []
    unknown = "a run that was not published"
    rows = [{"model": earlier[0]["began_as"] or unknown, "what": f"pre-training on {entities}"}]
    for stage in earlier:
        begin, end = stage["individuals"]
        rows.append({"model": stage["model"] or unknown, "what": f"fine-tuning on {number(end - begin)} {entities}"})
    last = f"fine-tuning on {number(run.config.get('n_individuals_finetune'))} {entities}"
    return [*rows, {"model": "this one", "what": last}]


def _finetuned_on(run: Run, entities: str) -> str | None:
    """What a fine-tuning did, in words; None for pre-training."""
    if not run.finetune_group:
        return None
    kind = f"further {entities}" if run.finetune_group == "new" else f"of these {entities}, who were rare"
    weight = run.config.get("weight_replay_finetune")
    weight = f"{weight:g}" if isinstance(weight, float) else weight
    replay = f"with replay of the others at weight {weight}" if weight else "without replay of the others"
    return f"{number(run.config.get('n_individuals_finetune'))} {kind}, {replay}"


def _model_data(run: Run, last: dict, repo_id: str, dataset_id: str | None, entities: str) -> ModelCardData:
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=dataset_id or "biographies",
            dataset_name=f"biographies of seen {entities}, held-out wording",
            metric_type=metric,
            metric_value=round(last[f"seen_{metric}"], 4),
        )
        for metric in ("attribute_loss", "attribute_accuracy")
        if last.get(f"seen_{metric}") is not None
    ]
    return ModelCardData(
        license="apache-2.0",
        language="en",
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=_TAGS,
        datasets=[dataset_id] if dataset_id else None,
        base_model=(run.config.get(ENVIRONMENT_KEY) or {}).get("base_model"),
        model_name=repo_id.split("/")[-1],
        eval_results=results or None,
    )


def dataset_card(repo_id: str, configs: list[dict], settings: dict[str, dict]) -> str:
    """The card of a dataset repository, with the YAML that `load_dataset` and the viewer read.

    Args:
        repo_id: where it is or will be published.
        configs: the entries of `configs` in the card's YAML, over all populations.
        settings: of each population, by its name; one older than `Source.for_cards` is of the bundled world.
    """
    settings = {name: load_world().for_cards() | of_population for name, of_population in settings.items()}
    data = DatasetCardData(
        license="cc-by-4.0",
        language="en",
        task_categories=["text-generation"],
        tags=_TAGS,
        pretty_name="Synthetic biographies",
        configs=configs,
    )
    return render(
        "dataset_card.md.j2",
        data,
        name=repo_id.split("/")[-1],
        repo_id=Markup(repo_id),
        populations=list(map(Markup, settings)),
        settings=settings,
        worlds=list(settings.values()),
        asked=number(ASKED),
        with_links=with_links,
        citation=Markup(CITATION),
    )


def number(value) -> str:
    """A number as people read it; says so if there is none. In a config somebody may have written anything."""
    if value is None:
        return MISSING
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def percent(value) -> str:
    """A share in percent; says so if there is none."""
    return MISSING if value is None else f"{value:.1%}"


def _model(run: Run) -> str:
    """The final model in words, or while there is none that of the last checkpoint, from config.json and weights."""
    from transformers import AutoConfig

    folders = (run.path, *reversed(sound_checkpoints(run.path).values()))
    folder = next((folder for folder in folders if (folder / WEIGHTS).exists()), None)
    if folder is None:
        return f"model ({MISSING} parameters)"
    try:
        with safe_open(folder / WEIGHTS, "pt") as file:
            parameters = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (SafetensorError, OSError, ValueError):
        raise UserError(f"the model in {folder} is damaged: {WEIGHTS} or config.json cannot be read") from None
    family, heads = family_of(config), config.num_attention_heads
    shared = getattr(config, "num_key_value_heads", None) or heads
    sizes = f"{config.num_hidden_layers} layers of width {config.hidden_size}"
    if family.attention:
        sizes += f", {heads} heads" + (f" with {shared} of keys and values" if shared < heads else "")
    tied = "tied" if config.tie_word_embeddings else "not tied"
    return f"{family.words} with {parameters:,} parameters ({sizes}; input and output embeddings {tied})"
