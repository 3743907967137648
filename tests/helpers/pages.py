"""What the Markdown pages of the project show beside links: headings, blocks of code, and the commands in them."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from docs.pages import tokens

# How a shell's block begins, where the page does not name its language.
_PROGRAMS = re.compile(r"(accelerate|git|make|pip|python|source) ")


class Block(NamedTuple):
    """A fenced block: its language ("" if not named) and its text."""

    language: str
    text: str


def anchors(page: Path) -> set[str]:
    """What links to a page's headings end in, as GitHub has it."""
    found, read, seen = set(), tokens(page), Counter()
    for title in (read[number + 1] for number, token in enumerate(read) if token.type == "heading_open"):
        text = "".join(token.content for token in title.children)
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in its order; a shell's are of language `bash`, also where the page says nothing."""
    fences = (token for token in tokens(page) if token.type == "fence")
    return [Block(f.info or ("bash" if _PROGRAMS.match(f.content) else ""), f.content) for f in fences]


def commands(page: Path) -> list[str]:
    """Each command of a page's shell blocks, comments left out, continued lines joined."""
    code = "".join(block.text for block in blocks(page) if block.language == "bash").replace("\\\n", " ")
    lines = (re.sub(r"(^|\s+)#.*", "", line) for line in code.splitlines())
    return [line for line in lines if line]
