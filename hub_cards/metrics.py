"""The metrics of evaluation/metrics as folders that need nothing of this project, and as Spaces.

So `evaluate.load("me/attribute_loss")` works where the project is not installed. The numerics stay where they are: each
folder gets a copy of the files that its metric imports.
"""

import json
import os
import re
import shutil
from importlib import import_module
from pathlib import Path

from huggingface_hub import HfApi, SpaceCardData
from markupsafe import Markup

from command_line import HOME, UserError
from hub_cards.markdown import code_block, render
from hub_cards.space import PYTHON, bring_in_line, gradio_version, pinned
from run_directory.hub import retry

# Of each metric, inputs that show what it is given.
EXAMPLES = {
    "attribute_loss": {"predictions": [[2.0, 0.1, 0.3], [1.5, 0.2, 0.0]], "references": [[0, 1, 1], [0, 1, 2]]},
    "attribute_accuracy": {
        "predictions": [[5, 7, 8], [5, 7, 9]],
        "references": [[4, 7, 8], [4, 7, 2]],
        "attributes": [[0, 1, 1], [0, 1, 2]],
    },
    "no_knowledge_baseline": {"value_sizes": [74400, 800, 200, 100, 500, 800]},
    "calibration_error": {"predictions": [0.9, 0.8, 0.3], "references": [1, 1, 0]},
    "known_detection": {"predictions": [0.9, 0.8, 0.7, 0.3, 0.2], "references": [1, 1, 0, 0, 0]},
    "risk_coverage": {"predictions": [0.9, 0.8, 0.3], "references": [1, 1, 0]},
}
_FOLDER = HOME / "evaluation" / "metrics"
_OURS = re.compile(r"^from evaluation\.((?:metrics\.)?(\w+)) import", re.MULTILINE)
_LIBRARIES = re.compile(r"^(?:from|import) (evaluate|datasets|numpy|scipy)\b", re.MULTILINE)
_APP = '''"""The metric in the browser; its inputs are JSON."""

import json
from pathlib import Path

import evaluate
import gradio

metric = evaluate.load(str(Path(__file__).with_name("{name}.py")))


def compute(inputs: str) -> dict:
    """What the metric is, of inputs in JSON."""
    return metric.compute(**json.loads(inputs))


inputs = gradio.Code({example!r}, language="json", label="inputs")
page = gradio.Interface(compute, inputs, gradio.JSON(), title=metric.name, article=metric.inputs_description)
if __name__ == "__main__":
    page.launch()
'''


def metric_files(name: str, metric_id: str | None = None) -> dict[str, bytes]:
    """All files of a metric's folder, by their place in it.

    Args:
        name: one of EXAMPLES.
        metric_id: where it is or will be published; if None, the card loads it from the folder.

    Raises:
        UserError: Gradio is not installed, whose version the Space is to have.
    """
    module = (_FOLDER / f"{name}.py").read_text(encoding="utf-8")
    parts = {place.replace(".", "/"): local for place, local in _OURS.findall(module)}
    texts = {f"{local}.py": (HOME / "evaluation" / f"{place}.py").read_text(encoding="utf-8")
             for place, local in parts.items()}  # fmt: skip
    texts[f"{name}.py"] = _OURS.sub(r"from .\2 import", module)
    libraries = {library for text in texts.values() for library in _LIBRARIES.findall(text)}
    texts["requirements.txt"] = pinned(sorted(libraries))
    texts["app.py"] = _APP.format(name=name, example=json.dumps(EXAMPLES[name], indent=1))
    texts["README.md"] = _card(name, metric_id or name)
    return {place: text.encode() for place, text in texts.items()}


def _card(name: str, metric_id: str) -> str:
    """The card of a Space; what the example gives is computed."""
    metric = getattr(import_module(f"evaluation.metrics.{name}"), name)()
    data = SpaceCardData(title=name.replace("_", " ").capitalize(), sdk="gradio",
                         sdk_version=gradio_version(), python_version=PYTHON, app_file="app.py", license="apache-2.0",
                         tags=["evaluate", "metric"])  # fmt: skip
    inputs, outputs = EXAMPLES[name], metric.compute(**EXAMPLES[name])
    call = f'import evaluate\n\nevaluate.load("{metric_id}").compute(**{inputs})\n# {outputs}\n'
    return render(
        "metric_card.md.j2", data, title=data.title, description=Markup(metric.description),
        call=code_block(call, "python"), inputs=code_block(metric.inputs_description.strip() + "\n", ""),
        citation=code_block(metric.citation.strip() + "\n", "bibtex"),
    )  # fmt: skip


def write_metrics(output: Path) -> list[str]:
    """Write the folder of each metric into a new directory, whole or not at all; their names.

    Raises:
        UserError: something is there.
    """
    if os.path.lexists(output):
        raise UserError(f"{output} exists already and is left as it is; choose another directory")
    files = {f"{name}/{place}": content for name in EXAMPLES for place, content in metric_files(name).items()}
    unfinished = output.with_name(f".{output.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for place, content in files.items():
        (unfinished / place).parent.mkdir(parents=True, exist_ok=True)
        (unfinished / place).write_bytes(content)
    unfinished.rename(output)
    return [*EXAMPLES]


def publish_metric(api: HfApi, space_id: str, files: dict[str, bytes]) -> bool:
    """Publish a metric as a Space; whether anything was sent.

    Args:
        api: of `open_repo`, for a Space.
        space_id: the Space.
        files: of `metric_files`.
    """
    return retry(lambda: bring_in_line(api, space_id, files, f"Publish {space_id.split('/')[-1]}"))
