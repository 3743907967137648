"""The documentation site: the project's Markdown pages as they lie, and two kinds of pages made from the code.

    python -m docs.pages build/docs     # then: python -m zensical build --strict -f build/docs/mkdocs.yml

Pages keep their places, so that a link leads to the same page here, on GitHub and on the site. What else they link to
(figures, recipes, code) is copied along. Badges are for GitHub. Made anew are a table of all settings and a page for
each room's public code.
"""

import re
import shutil
import sys
from dataclasses import MISSING, Field, fields
from pathlib import Path
from urllib.parse import unquote

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

import settings
from settings.declare import about

ROOT = Path(__file__).parents[1]
_MARKDOWN = MarkdownIt("commonmark").enable("table")
# What has pages that are not of the project: what users make, and what tests do.
NOT_OURS = {"build", "data", "runs", "tests"}
SETTINGS, API = "docs/SETTINGS.md", "docs/api"
# From the top down: who reads code begins with the scripts.
ROOMS = ("pipeline", "evaluation", "training", "analysis", "modeling", "data_builder", "run_directory", "hub_cards",
         "sweeps", "explorer", "settings", "command_line")  # fmt: skip
SCRIPTS = {
    "run_pretrain.py": settings.PRETRAINING,
    "run_finetune.py": settings.FINETUNING,
    "run_patching.py": settings.PATCHING,
}
# The order of the site. A pattern stands for all pages that it fits; those named nowhere are reached by links.
SECTIONS = {
    "Home": ["README.md"],
    "Tutorial": ["docs/TUTORIAL.md", "docs/YOUR_FACTS.md"],
    "How to": [
        "docs/RUNNING.md", "docs/CLUSTERS.md", "docs/SCHEDULES.md", "docs/WORDING.md", "docs/FINETUNING.md",
        "docs/PATCHING.md", "docs/MECHANISM.md", "experiments/README.md", "docs/FIGURES.md", "docs/EXPLORER.md",
        "docs/SHARING.md", "docs/OTHER_TOOLS.md", "docs/EXTENDING.md", "docs/WORLDS.md",
        "data_builder/worlds/README.md", "data_builder/templates/README.md", "docs/SPEED.md", "docs/REPRODUCING.md",
    ],
    "Reference": [SETTINGS, "docs/METRICS.md", "docs/FORMATS.md", *(f"{API}/{room}.md" for room in ROOMS)],
    "Explanation": ["docs/DEFINITIONS.md", "docs/DIFFERENCES.md", "CONTRIBUTING.md"],
    "Findings": ["experiments/CLAIMS.md", "experiments/*/README.md", "benchmarks/RESULTS.md"],
    "Log": ["docs/LOG.md", "CHANGELOG.md"],
}  # fmt: skip


def pages() -> list[Path]:
    """All Markdown files of the project."""
    folders = [f for f in ROOT.iterdir() if f.is_dir() and not f.name.startswith(".") and f.name not in NOT_OURS]
    return sorted([*ROOT.glob("*.md"), *(page for folder in folders for page in folder.rglob("*.md"))])


def tokens(page: Path) -> list[Token]:
    """A page as markdown-it reads it."""
    return _MARKDOWN.parse(page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Where a page's links and images point, as they are written."""
    read = _nested(tokens(page))
    return [unquote(token.attrs[key]) for token in read for key in ("href", "src") if key in token.attrs]


def _nested(read: list[Token]) -> list[Token]:
    return [token for outer in read for token in (outer, *_nested(outer.children or []))]


def settings_page() -> str:
    """All settings of all scripts as they are declared, in the groups of `--help`."""
    lines = ["# Settings", "", "`python run_pretrain.py --help` tells the same, and the names that there are.", ""]
    for kind in dict.fromkeys(kind for kinds in SCRIPTS.values() for kind in kinds):
        of = ", ".join(f"`{script}`" for script, kinds in SCRIPTS.items() if kind in kinds)
        lines += [f"## {kind.__doc__.splitlines()[0].rstrip('.')}", "", f"Of {of}.", ""]
        lines += ["| setting | default | must be | what | may change on resume |", "|---|---|---|---|---|"]
        lines += [_row(item) for item in fields(kind)] + [""]
    return "\n".join(lines)


def _row(item: Field) -> str:
    said = about(item)
    default = item.default_factory() if item.default is MISSING else item.default
    bounds = " and ".join(f"{word} {number:,}" for word, number in said.bounds.items())
    resume = "yes" if said.role in settings.FREE_ON_RESUME else "no"
    cells = (f"`{item.name}`", "–" if default is None else f"`{default}`", bounds or "–", str(said), resume)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def api_page(room: str) -> str:
    """What is public in a room, from its docstrings; `:::` is for mkdocstrings."""
    folder = ROOT / room
    modules = [f"{room}.{file.stem}" for file in sorted(folder.glob("[!_]*.py"))]
    return "\n\n".join([f"# `{room}`", *(f"::: {module}" for module in [room, *modules])]) + "\n"


def stage(folder: Path) -> None:
    """Gather the site's pages in a folder, with a configuration beside them."""
    shutil.rmtree(folder, ignore_errors=True)
    for page in pages():
        _copy(page, folder)
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if "://" not in link and target.is_file():
                _copy(target, folder)
    home = folder / "pages" / "README.md"
    home.write_text(re.sub(r"^\[!\[.*\n", "", home.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")
    made = {SETTINGS: settings_page()} | {f"{API}/{room}.md": api_page(room) for room in ROOMS}
    for name, text in made.items():
        _place(folder, Path(name)).write_text(text, encoding="utf-8")
    config = {"INHERIT": str(Path(__file__).with_name("mkdocs.yml")), "docs_dir": "pages", "site_dir": "site"}
    config["nav"] = navigation(folder / "pages")
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def _copy(file: Path, folder: Path) -> None:
    shutil.copyfile(file, _place(folder, file.relative_to(ROOT)))


def _place(folder: Path, name: Path) -> Path:
    place = folder / "pages" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def navigation(folder: Path) -> list[dict]:
    """The sections with their pages; a section of one page is that page."""
    found = {
        section: [str(page.relative_to(folder)) for name in names for page in sorted(folder.glob(name))]
        for section, names in SECTIONS.items()
    }
    return [{section: names if len(names) > 1 else names[0]} for section, names in found.items()]


if __name__ == "__main__":
    stage(Path(sys.argv[1]))
