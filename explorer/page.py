"""The page: controls, and what they change. All that is shown comes from `panels`."""

from pathlib import Path

import gradio as gr

from explorer import panels, views
from explorer.source import Explored

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
# Fonts of the reader's machine: nothing is fetched.
THEME = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
_PROMPT = "The birth place of"
_SECONDS = 1.5  # of a step while playing
# Keeps the address up to date, so that it can be sent to somebody; other keys of it stay.
_ADDRESS = """(run, step, view, who) => {
  const url = new URL(window.location);
  for (const [key, value] of Object.entries({run, step, view, who})) url.searchParams.set(key, value);
  history.replaceState(null, "", url);
}"""
_PERSONAL = {"Individual", "Unseen twin", "Attention"}


def titles(all_explored: list[Explored]) -> dict[str, Explored]:
    """Runs by what they are called on the page; a second one of the same name gets a number."""
    named: dict[str, Explored] = {}
    for explored in all_explored:
        title, number = explored.title, 2
        while title in named:
            title, number = f"{explored.title} ({number})", number + 1
        named[title] = explored
    return named


def linked(named: dict[str, Explored], query: dict) -> tuple[str, int, str, int]:
    """Run, step, view and individual of an address; where it says nothing that exists, the first, last, ... one."""
    run = query.get("run") if query.get("run") in named else next(iter(named))
    explored = named[run]
    step, who = query.get("step", ""), query.get("who", "")
    step = explored.nearest_step(int(step)) if _is_number(step) else explored.steps[-1]
    known = _is_number(who) and int(who) < len(explored.names)
    view = query.get("view") if query.get("view") in panels.VIEWS else panels.VIEWS[0]
    return run, step, view, int(who) if known else 0


def _is_number(text: str) -> bool:
    """One that can be a step or somebody's: Python reads none of thousands of digits."""
    return text.isascii() and text.isdecimal() and len(text) < 19


def somebody(explored: Explored, person) -> int:
    """Whom a number or a typed text means; else, as while another run is opened, the first individual."""
    if isinstance(person, int):
        return person if 0 <= person < len(explored.names) else 0
    return next(iter(views.search(explored, person or "")), 0)


def build(all_explored: list[Explored]) -> gr.Blocks:
    """The page of some runs."""
    named = titles(all_explored)
    first = all_explored[0]

    def choices(explored: Explored, people: list[int]) -> list[tuple[str, int]]:
        return [(explored.names[person], person) for person in people]

    with gr.Blocks(title="How a model comes to know somebody", analytics_enabled=False) as page:
        gr.HTML("<h1>How a language model comes to know somebody</h1>")
        run = gr.Dropdown([*named], value=next(iter(named)), label="Run", visible=len(named) > 1)
        curves = gr.HTML()
        with gr.Row(equal_height=True):
            play = gr.Button("▶ Play", elem_id="play", scale=1, min_width=90)
            step = gr.Dropdown(first.steps, value=first.steps[-1], label="Step", visible=False)
            place = gr.Slider(1, max(2, len(first.steps)), 1, step=1, label="Checkpoint", scale=8,
                              elem_id="checkpoint", interactive=len(first.steps) > 1)  # fmt: skip
        view = gr.Radio([*panels.VIEWS], value=panels.VIEWS[0], label="Look at", elem_id="view")
        with gr.Column() as whom:
            with gr.Row(equal_height=True):
                sought = gr.Textbox(label="Search by name", elem_id="search", min_width=240)
                who = gr.Dropdown(choices(first, [0]), value=0, label="Individual", elem_id="who", min_width=240,
                                  allow_custom_value=True)  # fmt: skip
            groups = [group for group, members in first.source.population.groups.items() if members]
            with gr.Row():
                luck = [gr.Button(f"Surprise me: {group}", size="sm", min_width=120, elem_id=f"luck-{group}")
                        for group in groups]  # fmt: skip
        threshold = gr.Slider(0, 1, 0.5, step=0.01, label="Threshold of confidence", visible=False, elem_id="threshold")
        prompt = gr.Textbox(_PROMPT, label="Beginning of a sentence", visible=False, elem_id="prompt", max_length=2000)
        panel = gr.HTML()
        timer = gr.Timer(_SECONDS, active=False)

        def opened(request: gr.Request):
            title, at, seen_as, person = linked(named, dict(request.query_params))
            return (title, *_of_run(named[title], at, person, choices), seen_as)

        def draw(title, number, seen_as, person, sure, text):
            explored = named[title]
            at = explored.steps[min(int(number), len(explored.steps)) - 1]
            chosen = somebody(explored, person)
            html = panels.panel(seen_as, explored, at, chosen, sure, text or "", all_explored)
            visible = [gr.update(visible=seen_as in _PERSONAL), gr.update(visible=seen_as == "Confidence"),
                       gr.update(visible=seen_as == "Prompt")]  # fmt: skip
            return (panels.curves(explored, at), html, gr.update(choices=explored.steps, value=at), *visible)

        def switched(title):
            explored = named[title]
            return _of_run(explored, explored.steps[-1], 0, choices)

        def found(title, text):
            people = views.search(named[title], text) if text.strip() else [0]
            if not people:
                return gr.update(label="Individual (nobody has such a name)")
            return gr.update(choices=choices(named[title], people), value=people[0], label="Individual")

        def chance(group):
            def draw_one(title):
                explored = named[title]
                person = views.surprise(explored, group)
                if person is None:
                    return gr.update(label=f"Individual (nobody is {group})")
                return gr.update(choices=choices(explored, [person]), value=person, label="Individual")

            return draw_one

        def tick(title, number):
            last = len(named[title].steps)
            number = min(int(number) + 1, last)
            ended = number == last
            return number, gr.Timer(active=not ended), "▶ Play" if ended else "❚❚ Pause"

        def toggle(title, number, label):
            if "Pause" in label or len(named[title].steps) == 1:
                return number, gr.Timer(active=False), "▶ Play"
            return 1 if number >= len(named[title].steps) else number, gr.Timer(active=True), "❚❚ Pause"

        quiet = {"show_progress": "hidden"}
        seen = [run, place, view, who, threshold, prompt]
        shown = [curves, panel, step, whom, threshold, prompt]
        changes = [place.change, view.change, who.change, threshold.change, prompt.submit]
        loaded = page.load(opened, None, [run, place, who, step, view], **quiet)
        loaded.then(draw, seen, shown, **quiet)
        run.input(switched, run, [place, who, step], **quiet).then(draw, seen, shown, **quiet)
        gr.on(changes, draw, seen, shown, trigger_mode="always_last", **quiet)
        gr.on([step.change, view.change, who.change, run.change], None, [run, step, view, who], js=_ADDRESS)
        gr.on([sought.submit, sought.change], found, [run, sought], who, trigger_mode="always_last", **quiet)
        for group, button in zip(groups, luck, strict=True):
            button.click(chance(group), run, who, **quiet)
        play.click(toggle, [run, place, play], [place, timer, play], **quiet)
        timer.tick(tick, [run, place], [place, timer, play], **quiet)
    return page


def _of_run(explored: Explored, step: int, person: int, choices):
    """What slider, individual and step are where a run is shown."""
    number = explored.steps.index(step) + 1
    slider = gr.update(maximum=max(2, len(explored.steps)), value=number, interactive=len(explored.steps) > 1)
    individual = gr.update(choices=choices(explored, [person]), value=person)
    return slider, individual, gr.update(choices=explored.steps, value=step)
