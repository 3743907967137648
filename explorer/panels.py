"""The panels of the page as HTML: of a run, a step and an individual; a mistake is a line in its panel's place."""

import re

from command_line import UserError
from explorer import views
from explorer.charts import histogram, line_chart, render, risk_line
from explorer.source import Explored

VIEWS = ("Individual", "Unseen twin", "Confidence", "Attention", "Prompt", "Compare")
_GROUPS = {"seen": "In the training data.", "unseen": "Not in the training data.", "new": "Kept for fine-tuning."}
_TAUGHT = {"new": "Taught by this fine-tuning.", "rare": "In the training data, and taught by this fine-tuning."}
_PHASES = ("general statistics are learned", "the plateau: facts are not tied to people yet", "knowledge emerges")


def curves(explored: Explored, step: int) -> str:
    """Learning curves with phases and a cursor."""
    plateau = views.phases(explored)
    charts = [line_chart(panel, step, plateau) for panel in views.learning_curves(explored)]
    place = {"title": explored.title, "step": step, "notices": explored.notices, "phase": _phase(plateau, step)}
    return render("curves", charts=charts, **place)


def _phase(plateau: tuple | None, step: int) -> str:
    return "" if plateau is None else _PHASES[sum(edge is not None and step >= edge for edge in plateau)]


def panel(
    view: str, explored: Explored, step: int, person: int, threshold: float, prompt: str, others: list[Explored]
) -> str:
    """One of VIEWS."""
    try:
        if view == "Confidence":
            return confidence(explored, step, threshold)
        if view == "Prompt":
            return render("prompt", prompt=prompt, steps=views.completed(explored, step, prompt))
        if view == "Compare":
            return compare(others)
        return {"Individual": individual, "Unseen twin": unseen_twin, "Attention": attention}[view](
            explored, step, person
        )
    except UserError as error:
        return render("notice", text=str(error).replace(explored.name, explored.title))


def individual(explored: Explored, step: int, person: int) -> str:
    """All questions about somebody."""
    told, drawn = views.interview(explored, step, person), explored.times_drawn(step, person)
    taught, about = explored.taught(person), _GROUPS[explored.group(person)]
    if taught:
        about = _TAUGHT.get(taught, "Taught by an earlier fine-tuning.")
    if drawn:
        times = "once" if drawn == 1 else f"{drawn:,} times"
        about += f" This run had read of this individual {times} by step {step:,}."
    right = sum(one.right for one in told)
    return render("questions", name=explored.names[person], about=about, told=told, right=right, step=step)


def unseen_twin(explored: Explored, step: int, person: int) -> str:
    """Whose facts are told about somebody whom the model has never read of."""
    who, n_parts = views.twin(explored, person), len(explored.source.world.name)
    name, told = explored.names[who], views.owners(explored, step, who)
    why = "" if who == person else f"Of all unseen people, the name is most like that of {explored.names[person]}."
    return render("twin", name=name, why=why, told=told, n_parts=n_parts)


def confidence(explored: Explored, step: int, threshold: float) -> str:
    """Histograms, risk and coverage."""
    found = views.confidence(explored, step, threshold)
    bars, line = histogram(found.counts, threshold), risk_line(found.coverage, found.risk, found.given["both"])
    return render("confidence", c=found, h=bars, r=line, threshold=threshold)


def attention(explored: Explored, step: int, person: int) -> str:
    """Every layer and head."""
    return render("attention", a=views.attended(explored, step, person), name=explored.names[person])


def compare(all_explored: list[Explored]) -> str:
    """Runs side by side."""
    differ, panels = views.compared(all_explored)
    charts = [line_chart(one, by_role=False) for one in panels]
    # Of a file, its name: where it lies on somebody's machine is nobody's business.
    differ = {key: {name: re.sub(r"\S*/", "", of or "–") for name, of in row.items()} for key, row in differ.items()}
    return render("compare", charts=charts, differ=differ)
