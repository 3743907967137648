"""Text in Markdown: whatever comes from a configuration, a world or a machine is shown as it is, and does nothing."""

import re
from pathlib import Path

from huggingface_hub import CardData
from jinja2 import Environment
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
# What begins anything but text, of Markdown, HTML and formulas. `\(` is a formula on the Hub, so no backslashes: in
# place of each of these stands its number, which is text everywhere but in code (commonmark.org, entity references).
_SPECIAL = re.compile(r"[\\`*~\[\]<>|&$!#]|(?<![^\W_])_|_(?![^\W_])")  # x86_64 is a word
_LINK = re.compile(r"\[([^\[\]]*)\]\((https?://[\w./%?=+#-]+)\)")


def render(template: str, data: CardData, **values) -> str:
    """Fill one of the templates. All that is put in is text, but for what is `Markup`, which is ours or was checked.

    Args:
        template: its file's name.
        data: the card's metadata.
        values: by the names that the template has for them.
    """
    filled = Environment(finalize=as_text).from_string((TEMPLATES / template).read_text(encoding="utf-8"))
    return filled.render(card_data=Markup(data.to_yaml()), **values)


def as_text(value) -> Markup:
    """A value as Markdown that shows just this, in one line."""
    return value if isinstance(value, Markup) else Markup(_escaped(_line(value)))


def with_links(text: str) -> Markup:
    """A text whose links, `[GeoNames](https://www.geonames.org/)`, are links; all else is text."""
    begin, *links = _LINK.split(_line(text))  # then for each link its words, its address, and what follows
    found = zip(links[::3], links[1::3], links[2::3], strict=True)
    linked = (f"[{_escaped(words)}]({address}){_escaped(rest)}" for words, address, rest in found)
    return Markup(_escaped(begin) + "".join(linked))


def code_block(content: str, language: str) -> Markup:
    """A block of code, whose fence is longer than any that is in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", content)), default=0))
    return Markup(f"{fence}{language}\n{content}{fence}")


def _line(value) -> str:
    return re.sub(r"\s+", " ", str(value).encode(errors="replace").decode())


def _escaped(line: str) -> str:
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", line)
