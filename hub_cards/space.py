"""A Space that shows a published run in the explorer: the code that this needs, its requirements and its card."""

import importlib.metadata
from collections.abc import Iterable

from huggingface_hub import CommitOperationAdd, HfApi, SpaceCardData
from markupsafe import Markup

from command_line import HOME, UserError
from hub_cards.markdown import render
from hub_cards.remote import holds, tree
from run_directory.hub import retry

_CODE = ("settings", "run_directory", "data_builder", "modeling", "analysis", "evaluation", "explorer", "habits.py",
         "command_line.py")  # fmt: skip
_TITLE = "How a model comes to know somebody"
PYTHON = "3.11"  # the lowest that the code runs on; a Space of its own accord may have an older one
_NOT_CODE = {".pyc", ".pyo"}
# What this code imports, by the names of the packages; Gradio comes with the Space.
REQUIREMENTS = (
    "torch", "transformers", "datasets", "evaluate", "huggingface_hub", "jinja2", "safetensors", "numpy", "pyyaml",
    "matplotlib", "pillow", "psutil", "filelock", "scipy", "peft", "argcomplete", "tokenizers", "pyarrow", "tqdm",
)  # fmt: skip
_APP = '''"""A run on the Hub in the explorer; all that is shown is computed here, on a CPU."""

from explorer.__main__ import serve
from explorer.source import Explored

serve([Explored("{model_id}")], "0.0.0.0", 7860).block_thread()
'''


def publish_space(api: HfApi, model_id: str, space_id: str) -> bool:
    """Publish the explorer of a published run.

    Args:
        api: of `open_repo`, for a Space.
        model_id: the run's repository, which was checked to have the form of an id.
        space_id: the Space.

    Returns:
        Whether anything was sent.

    Raises:
        UserError: Gradio is not installed, whose version the Space is to have.
    """
    files = space_files(model_id, space_id)
    return retry(lambda: bring_in_line(api, space_id, files, "Publish the explorer"))


def space_files(model_id: str, space_id: str) -> dict[str, bytes]:
    """All files of the Space by their place in it; no run is among them, it is fetched by its id."""
    card = render("space_card.md.j2", _card_data(model_id), name=space_id.split("/")[-1], model_id=Markup(model_id))
    texts = {"README.md": card, "app.py": _APP.format(model_id=model_id), "requirements.txt": pinned(REQUIREMENTS)}
    paths = [
        path for name in _CODE for path in ([HOME / name] if (HOME / name).is_file() else (HOME / name).rglob("*"))
    ]
    code = {path.relative_to(HOME).as_posix(): path for path in sorted(paths)}
    sent = {name: path.read_bytes() for name, path in code.items() if path.is_file() and path.suffix not in _NOT_CODE}
    return sent | {name: text.encode() for name, text in texts.items()}


def _card_data(model_id: str) -> SpaceCardData:
    return SpaceCardData(title=_TITLE, sdk="gradio", sdk_version=gradio_version(), python_version=PYTHON,
                         app_file="app.py", license="apache-2.0", models=[model_id])  # fmt: skip


def gradio_version() -> str:
    """The version that a Space is to have.

    Raises:
        UserError: Gradio is not installed.
    """
    try:
        return importlib.metadata.version("gradio")
    except importlib.metadata.PackageNotFoundError:
        raise UserError("a Space needs gradio: pip install 'fact-learning[explorer]'") from None


def pinned(packages: Iterable[str]) -> str:
    """requirements.txt with the versions that run here, without what tells a build for a CPU from others."""
    versions = ((name, importlib.metadata.version(name).partition("+")[0]) for name in packages)
    return "".join(f"{name}=={version}\n" for name, version in versions)


def bring_in_line(api: HfApi, space_id: str, files: dict[str, bytes], message: str) -> bool:
    """Send what a Space lacks of some files, in one commit; False if that is nothing."""
    there = tree(api, space_id, repo_type="space")
    lacking = [CommitOperationAdd(name, content) for name, content in files.items()
               if not holds(there.get(name), content)]  # fmt: skip
    if lacking:
        api.create_commit(space_id, lacking, commit_message=message, repo_type="space")
    return bool(lacking)
