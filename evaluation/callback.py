"""Knowledge in other people's training: a callback of transformers' Trainer, and so of trl's."""

from transformers import PreTrainedTokenizerFast, TrainerCallback

from data_builder.source import Source
from data_builder.stream import BiographyStream
from evaluation.measure import knowledge_of_groups


class KnowledgeCallback(TrainerCallback):
    """Measures what a model in training knows of a population, into `trainer.state.log_history`.

    At step 0, every `eval_steps` and at the end: `no_knowledge_baseline`, and of each group `<group>_attribute_loss`
    (nats), `<group>_attribute_accuracy` (0-1) and the confidence of docs/METRICS.md; with unseen individuals also how
    well confidence tells them from seen ones (`unseen_auroc_entropy`, ...).

    Args:
        source: the population, of `Source.build` or `Source.load`.
        tokenizer: of the model.
        eval_steps: updates between measurements.
        eval_individuals: of each group that are asked at most.
    """

    def __init__(
        self, source: Source, tokenizer: PreTrainedTokenizerFast, eval_steps: int = 100, eval_individuals: int = 128
    ):
        stream = BiographyStream(source, tokenizer, None, seed=0)
        self.probes = {group: stream.probe(group, eval_individuals) for group in _measured(source)}
        self.value_sizes, self.eval_steps, self.measured_at = stream.value_sizes, eval_steps, None

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        """Before the first update."""
        self._measure(state, model)

    def on_step_end(self, args, state, control, model=None, **kwargs):
        """After an update."""
        if state.global_step % self.eval_steps == 0:
            self._measure(state, model)

    def on_train_end(self, args, state, control, model=None, **kwargs):
        """After the last update."""
        self._measure(state, model)

    def _measure(self, state, model) -> None:
        if self.measured_at == state.global_step:
            return
        self.measured_at, was_training = state.global_step, model.training
        model.eval()
        stock = model.get_base_model() if hasattr(model, "get_base_model") else model  # peft's wrapper
        metrics = knowledge_of_groups(stock, self.probes, self.value_sizes)
        model.train(was_training)
        if state.is_world_process_zero:
            state.log_history.append({"step": state.global_step} | metrics)


def _measured(source: Source) -> list[str]:
    return [group for group in ("seen", "unseen") if source.population.groups[group]]
