"""Fine-tuning in stages: whom a model was taught in each, from what its run recorded."""

from command_line import ENVIRONMENT_KEY, UserError
from data_builder.population import groups_of_run


def taught(config: dict, groups: dict[str, range]) -> list[range]:
    """Whom the fine-tunings that a model went through trained on, in their order; nobody of a pre-trained one.

    Args:
        config: config.yaml of its run.
        groups: of the population.

    Raises:
        UserError: the population lacks some of them.
    """
    which, size = config.get("individuals_finetune"), config.get("n_individuals_finetune")
    if not which or size is None:
        return []
    earlier = [range(*stage["individuals"]) for stage in _recorded(config)]
    stages = [*earlier, groups_of_run(groups, which, size, earlier)[which]]
    n_people = max(people.stop for people in groups.values())
    if len(stages[-1]) != size or any(people.stop > n_people for people in stages):
        raise UserError("the model was taught individuals whom its dataset/ does not have; it is that of another run")
    return stages


def groups_of_model(config: dict, groups: dict[str, range]) -> dict[str, range]:
    """Whom the run of a model measured, of `groups_of_run`.

    Args:
        config, groups: of `taught`.
    """
    finetuned = (config.get(key) for key in ("individuals_finetune", "n_individuals_finetune"))
    return groups_of_run(groups, *finetuned, taught(config, groups)[:-1])


def learned_before(groups: dict[str, range], finetuned: str | None) -> tuple[range, ...]:
    """Who was learned before a fine-tuning: in pre-training, then stage by stage; `old` of a schedule's plan.

    Args:
        groups: of `groups_of_run`.
        finetuned: whom it trains on, `new` or `rare`; None of a pre-training.
    """
    return tuple(people for name, people in groups.items() if finetuned and name not in (finetuned, "unseen"))


def stage_facts(config: dict, stages: list[range], facts: dict) -> dict:
    """What a run that fine-tunes a fine-tuned model records: each stage before it, and which model that ended with.

    Args:
        config: of the run that it begins with.
        stages: of `taught`, by that run's config and people.
        facts: of `FoundModel.facts`, of the model that it begins with.
    """
    if not stages:
        return {}
    people = {"individuals": [stages[-1].start, stages[-1].stop]}
    before = (config.get(ENVIRONMENT_KEY) or {}).get("base_model")
    return {"stages": [*_recorded(config), people | {"model": facts["base_model"], "began_as": before}]}


def often_drawn(config: dict, seen: range) -> int:
    """How many of the seen people pre-training drew more often than others, so that they are not rare.

    Args:
        config: of the run that a fine-tuning begins with; of a fine-tuned model, it has what its own run recorded.
        seen: all of them.
    """
    recorded = (config.get(ENVIRONMENT_KEY) or {}).get("n_often_drawn")
    if recorded is not None:
        return recorded
    return (config.get("n_celebrities") or len(seen) // 8) if config.get("schedule") == "celebrities" else 1


def _recorded(config: dict) -> list[dict]:
    return (config.get(ENVIRONMENT_KEY) or {}).get("stages") or []
