"""What tests of evaluation share."""

from importlib import import_module
from pathlib import Path

import evaluate
import pytest

METRICS = Path(__file__).parents[2] / "evaluation" / "metrics"


@pytest.fixture(params=["class", "load"])
def metric(request, tmp_path, monkeypatch):
    """The metrics as a user gets them: imported, or through evaluate.load from any folder."""
    monkeypatch.chdir(tmp_path)

    def get(name):
        if request.param == "load":
            return evaluate.load(str(METRICS / f"{name}.py"))
        return getattr(import_module(f"evaluation.metrics.{name}"), name)()

    return get
