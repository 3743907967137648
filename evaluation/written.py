"""How much of what a model writes by itself is true: its texts, read back by the templates of its world."""

from collections.abc import Iterable, Iterator

from data_builder.biographies import Renderer
from data_builder.new_individuals import NamesOfOthers
from data_builder.source import Source

_LONGEST_NAME = 100  # characters; what stands before a value further on is no name


class Reader:
    """Reads sentences back: whom they name, and which value of which attribute they state.

    Args:
        source: the world whose templates, values and people are known.
    """

    def __init__(self, source: Source):
        renderer = Renderer(source)
        self.templates = renderer.templates
        self.values = [{text: number for number, text in enumerate(texts)} for texts in renderer.values]
        self.longest = [max(map(len, texts)) for texts in renderer.values]
        n_drawn = len(source.population) - len(source.added)
        own = enumerate(source.population.names[n_drawn:], n_drawn)
        self.own = {renderer.name(parts): number for number, parts in own}
        seed = source.settings.population_seed
        self.drawn = NamesOfOthers(source.word_lists, n_drawn, seed) if n_drawn else None
        self.words = {word for entries in renderer.name_lists for entry in entries for word in entry.split()}

    def facts(self, text: str) -> Iterator[tuple[int | None, int, int] | None]:
        """Of each sentence the individual (None of a name that nobody has), the attribute and the value (0, 1, ...).

        None for what is no sentence of a template with a value of its attribute; it ends at the next full stop.
        """
        text, place = f" {text.strip()}".rstrip(), 0
        while place < len(text):
            found = self._sentence(text, place)
            if found is None:
                stop = text.find(". ", place)
                place = len(text) if stop < 0 else stop + 1
                yield None
            else:
                place, *fact = found
                yield tuple(fact)

    def _sentence(self, text: str, place: int) -> tuple[int, int | None, int, int] | None:
        for attribute, templates in enumerate(self.templates):
            for template in templates:
                if not text.startswith(f"{template.head} ", place):
                    continue
                begin = place + len(template.head) + 1
                middle = text.find(f"{template.middle} ", begin, begin + _LONGEST_NAME)
                if middle < 0 or not self.words.issuperset(text[begin:middle].split()):
                    continue
                stated = self._value(text, middle + len(template.middle) + 1, attribute, template.tail)
                if stated:
                    end, value = stated
                    return end, self.individual(text[begin:middle]), attribute, value
        return None

    def individual(self, name: str) -> int | None:
        """Who has a name, of those whom the population drew and of a user's own; None if nobody has."""
        number = self.own.get(name)
        return self.drawn.individual(name) if number is None and self.drawn else number

    def _value(self, text: str, begin: int, attribute: int, tail: str) -> tuple[int, int] | None:
        """Where the sentence ends and which value it states, the longest that is there; None if none is."""
        values = self.values[attribute]
        for end in range(min(begin + self.longest[attribute], len(text)), begin, -1):
            after = end + len(tail)
            if text.startswith(tail, end) and text[after : after + 1] in ("", " ") and text[begin:end] in values:
                return after, values[text[begin:end]]
        return None


def truth(texts: Iterable[str], source: Source, taught: Iterable[range]) -> dict[str, float | int | None]:
    """How much of some texts is true.

    Args:
        texts: that a model wrote.
        source: who exists, and what is true of them.
        taught: whom the model has read of.

    Returns:
        `sentences`, how many; `share_read`, of them, a template with a value of its attribute; of these `share_taught`,
        about individuals that the model has read of; of these `share_true`; `n_individuals`, how many of them.
    """
    reader, values, taught = Reader(source), source.population.values, list(taught)
    facts = [fact for text in texts for fact in reader.facts(text)]
    read = [fact for fact in facts if fact is not None]
    about = [fact for fact in read if fact[0] is not None and any(fact[0] in people for people in taught)]
    true = sum(values[who][attribute] == value for who, attribute, value in about)
    return {
        "sentences": len(facts),
        "share_read": _share(len(read), len(facts)),
        "share_taught": _share(len(about), len(read)),
        "share_true": _share(int(true), len(about)),
        "n_individuals": len({who for who, *_ in about}),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
