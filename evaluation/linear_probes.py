"""Linear probes: which facts can be read off the residual stream, where in a sentence, and after which layer.

As Allen-Zhu & Li's P-probing (2309.14316) and Nanda et al. (2023, "Fact finding"), by ridge regression in closed form:
from the residual stream at one token to the first token of a value, one-hot. A probe is fitted on some of the seen
individuals and tested on others, who share nothing with them but the values there are. So it can only find what the
model has stored of those others, in a form that is the same for all. Probed like this, a name gives nothing away.
"""

import numpy as np
import torch

from data_builder.random import uniforms
from evaluation.prompts import POSITIONS, Prompts, chosen_people, prompts_about
from evaluation.ridge import Ridge
from modeling.interventions import RESIDUAL, record_sites, sites_of

TOLD = ("asked", "other")  # the attribute that the sentence tells, and another one
GROUPS = ("seen", "permuted", "unseen")
_FITTED = 3 / 4  # of the individuals; the others are tested
_ROWS = 256  # go through the model at the same time


class LinearProbes:
    """What is asked of every checkpoint of a run, and the answers.

    Args:
        stream: of biographies.
        groups: members of each group; `unseen` may be missing.
        group: whose facts are read.
        size: how many of them are fitted and tested, and how many unseen ones at most.
    """

    def __init__(self, stream, groups: dict[str, range], group: str, size: int):
        people = chosen_people(groups[group], size)
        cut = round(_FITTED * len(people))
        others = groups.get("unseen", range(0)) if group != "unseen" else range(0)
        unseen = chosen_people(others, len(people) - cut)
        self.fitted = prompts_about(stream, people[:cut], heldout=False)
        self.tested = {"seen": prompts_about(stream, people[cut:])}
        if len(unseen):
            self.tested["unseen"] = prompts_about(stream, unseen)
        self.attributes = [*stream.value_sizes]

    def _answers(self, prompts: Prompts) -> np.ndarray:
        """(individuals, attributes) first tokens of values."""
        return prompts.answers.numpy().reshape(-1, len(self.attributes))

    def axes(self, model) -> dict[str, list]:
        """Of the array `accuracy` that `measure` gives, in order."""
        layers = [site.layer for site in sites_of(model, RESIDUAL)]
        names = (TOLD, GROUPS, POSITIONS, self.attributes, layers)
        return dict(zip(("told", "group", "position", "attribute", "layer"), map(list, names), strict=True))

    def chance(self) -> list[float]:
        """By attribute: accuracy on the tested individuals of always saying what is most common."""
        fitted, tested = self._answers(self.fitted), self._answers(self.tested["seen"])
        common = [np.bincount(column).argmax() for column in fitted.T]
        return (tested == common).mean(0).tolist()

    def sizes(self) -> dict[str, int]:
        """How many individuals are `fitted`, and `tested_seen` and `tested_unseen`."""
        groups = {"fitted": self.fitted} | {f"tested_{group}": prompts for group, prompts in self.tested.items()}
        return {name: len(prompts) // len(self.attributes) for name, prompts in groups.items()}

    def measure(self, model, tick) -> dict[str, np.ndarray]:
        """What can be read off a model.

        Args:
            model: a stock causal language model.
            tick: of `instruments.Tick`.

        Returns:
            `accuracy` of the probes, 0-1, by the axes of `axes`; nan where no sentence has such a token, or there are
            no unseen individuals. `said`: by group (seen, unseen) and attribute, how often the model itself says the
            first token of the value as its likeliest, in the sentences that are tested.
        """
        found = np.full([len(axis) for axis in self.axes(model).values()], np.nan)
        fitted = _states(model, self.fitted)
        tested = {group: _states(model, prompts) for group, prompts in self.tested.items()}
        for place in range(len(POSITIONS)):
            for layer in range(found.shape[-1]):
                parts = {group: states[:, place, layer] for group, states in tested.items()}
                found[:, :, place, :, layer] = self._probe(fitted[:, place, layer], parts)
                tick(1 / len(POSITIONS) / found.shape[-1])
        said = [self._said(model, self.tested[group]) for group in ("seen", "unseen") if group in self.tested]
        return {"accuracy": found, "said": np.array(said)}

    def _probe(self, fitted: np.ndarray, tested: dict[str, np.ndarray]) -> np.ndarray:
        """Accuracies (told, groups, attributes) at one place after one layer."""
        found = np.full((len(TOLD), len(GROUPS), len(self.attributes)), np.nan)
        for told in range(len(TOLD)):
            for attribute in range(len(self.attributes)):
                found[told, :, attribute] = self._accuracies(fitted, tested, told, attribute)
        return found

    def _accuracies(self, fitted: np.ndarray, tested: dict[str, np.ndarray], told: int, attribute: int) -> list[float]:
        """By group; the probe of `permuted` has other individuals' values to learn, and to guess."""
        x, rows = self._features(fitted, told, attribute)
        if len(rows) < 2:
            return [np.nan] * len(GROUPS)
        answers, ridge = self._answers(self.fitted)[rows, attribute], Ridge(x)
        sides = {group: self._features(states, told, attribute) for group, states in tested.items()}
        truth = {group: self._answers(self.tested[group])[rows, attribute] for group, (_, rows) in sides.items()}
        sides["permuted"], truth["permuted"] = sides["seen"], _permuted(truth["seen"])
        found = dict.fromkeys(GROUPS, np.nan)
        for targets, of_groups in ((answers, ("seen", "unseen")), (_permuted(answers), ("permuted",))):
            ridge.fit(targets)
            for group in (group for group in of_groups if len(truth.get(group, ()))):
                found[group] = float((ridge.predict(sides[group][0]) == truth[group]).mean())
        return [*found.values()]

    def _features(self, states: np.ndarray, told: int, attribute: int) -> tuple[np.ndarray, np.ndarray]:
        """One row of each individual: of the sentence that tells the attribute, or of one that tells another.

        Returns:
            Features (n, width) of those whose sentence has such a token; their numbers (n,).
        """
        n = len(self.attributes)
        people = np.arange(len(states) // n)
        asked = (attribute + told * (1 + people % max(1, n - 1))) % n
        x = states.reshape(len(people), n, -1)[people, asked]
        there = ~np.isnan(x[:, 0]) & ((asked != attribute) == told)  # there may be no other attribute
        return x[there].astype(float), people[there]

    @torch.no_grad()
    def _said(self, model, prompts: Prompts) -> list[float]:
        """By attribute, how often a model's likeliest next token is right."""
        right = [part.log_probabilities(model).argmax(1).cpu() == part.answers for part in prompts.chunks(_ROWS)]
        return torch.cat(right).float().reshape(-1, len(self.attributes)).mean(0).tolist()


def _permuted(answers: np.ndarray) -> np.ndarray:
    """Each individual's answer as another one's."""
    return answers[uniforms(0, "permuted answers", answers.shape).argsort()]


def _states(model, prompts: Prompts) -> np.ndarray:
    """The residual stream at the last token of each place, after each layer, from the embeddings on.

    Returns:
        (n, places, layers, width) float32, nan where a sentence has no such token.
    """
    sites, device = sites_of(model, RESIDUAL), next(model.parameters()).device
    parts = []
    for part in prompts.chunks(_ROWS):
        recorded = record_sites(model, part.input_ids.to(device), sites)
        states = torch.stack([recorded[site].float().cpu() for site in sites], 2)  # (b, length, layers, width)
        columns = torch.arange(states.shape[1])
        of_places = []
        for position in POSITIONS:
            there = part.at(position)
            last = torch.where(there, columns, -1).max(1).values
            of_places.append(states[torch.arange(len(part)), last.clamp(min=0)])
            of_places[-1][last < 0] = torch.nan
        parts.append(torch.stack(of_places, 1).numpy())
    return np.concatenate(parts)
