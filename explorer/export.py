"""A page without a server: what the explorer says of some individuals over all checkpoints, computed beforehand."""

import argparse
import json
import re
from pathlib import Path

import numpy as np

from command_line import UserError, complete
from data_builder.random import permute
from explorer import panels
from explorer.charts import render
from explorer.source import Explored

N_PEOPLE = 50
_SHARES = {"seen": 0.5, "unseen": 0.3, "new": 0.2}
_VIEWS = ("Individual", "Unseen twin", "Attention")
_THRESHOLD = 0.5


def main(argv: list[str]) -> None:
    """Write the page of a run into a folder."""
    parser = argparse.ArgumentParser(prog="python -m explorer export", description=__doc__.split("\n")[0])
    parser.add_argument("run", help="run directory, or Hub repository with a revision per checkpoint")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of the page, index.html")
    parser.add_argument("--people", type=int, default=N_PEOPLE, help="how many individuals, half of them seen")
    arguments = complete(parser).parse_args(argv)
    if arguments.people < 2:
        raise UserError(f"people is {arguments.people}; it must be at least 2")
    folder = arguments.output_dir
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists already and is left as it is; choose another --output_dir")
    export(Explored(arguments.run), folder, arguments.people)
    print(f"page: {folder / 'index.html'}")


def export(explored: Explored, folder: Path, n_people: int = N_PEOPLE) -> None:
    """Write `index.html`, `run.js` (what is the same for everybody) and `people/<number>.js`.

    They are scripts, not JSON: a browser that opens the page from a disk reads no other files.
    """
    people = chosen(explored, n_people)
    (folder / "people").mkdir(parents=True, exist_ok=True)
    both = {"curves": panels.curves, "Confidence": lambda run, step: panels.confidence(run, step, _THRESHOLD)}
    shared = {name: [_short(draw(explored, step)) for step in explored.steps] for name, draw in both.items()}
    _write(folder / "run.js", "run", shared | {"steps": explored.steps})
    for person in people:
        told = {view: [_panel(explored, view, step, person) for step in explored.steps] for view in _VIEWS}
        _write(folder / "people" / f"{person}.js", f"people[{person}]", told)
    names = [(person, explored.names[person], explored.group(person)) for person in people]
    views = (*_VIEWS, "Confidence")
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    page = render("export", title=explored.title, people=names, views=views, n_steps=len(explored.steps), style=style)
    (folder / "index.html").write_text(page, encoding="utf-8")


def chosen(explored: Explored, n_people: int) -> list[int]:
    """Some individuals of each group, always the same, ascending."""
    people: list[int] = []
    for group, share in _SHARES.items():
        members = explored.source.population.groups[group]
        number = min(round(share * n_people), len(members))
        if number:
            people += (members.start + permute(np.arange(number), len(members), 0, "exported")).tolist()
    return sorted(people)


def _panel(explored: Explored, view: str, step: int, person: int) -> str:
    return _short(panels.panel(view, explored, step, person, _THRESHOLD, "", [explored]))


def _short(html: str) -> str:
    return re.sub(r"\s+", " ", html)


def _write(file: Path, name: str, content) -> None:
    file.write_text(f"window.shown.{name} = {json.dumps(content, ensure_ascii=False)};\n", encoding="utf-8")
