"""Rendering: the text of a biography and the spans of its names and values, made together."""

from dataclasses import dataclass

from data_builder.source import Source
from data_builder.word_lists import join_name


@dataclass(frozen=True)
class Biography:
    """One biography; spans are (begin, end) in characters of `text`, in the order of the sentences."""

    text: str
    name_spans: list[tuple[int, int]]
    value_spans: list[tuple[int, int]]


class Renderer:
    """Turns the integers of a population into text.

    Args:
        source: the population and the texts its integers stand for.
    """

    def __init__(self, source: Source):
        self.name_lists = [source.word_lists.names(name_list) for name_list in source.world.name]
        self.templates = list(source.templates.values())
        self.values = [source.word_lists.values(attribute) for attribute in source.world.attributes]

    def name(self, parts) -> str:
        """Full name of an individual, given its row of `Population.names`."""
        return join_name(entries[index] for entries, index in zip(self.name_lists, parts, strict=True))

    def biography(self, name_parts, values, templates, order) -> Biography:
        """One sentence for each attribute.

        Args:
            name_parts: indices of the parts of the name.
            values: value ids, in the order of the attributes.
            templates: template ids, in the order of the attributes.
            order: the attributes in the order of their sentences.
        """
        name = " " + self.name(name_parts)
        text, name_spans, value_spans = "", [], []
        for attribute in order:
            template = self.templates[attribute][templates[attribute]]
            value = " " + self.values[attribute][values[attribute]]
            text += template.head
            # `text` still begins with a space; cut off below, it moves each span one to the left,
            # onto the space before the name or value.
            name_spans.append((len(text), len(text) + len(name) - 1))
            text += name + template.middle
            value_spans.append((len(text), len(text) + len(value) - 1))
            text += value + template.tail
        return Biography(text[1:], name_spans, value_spans)
