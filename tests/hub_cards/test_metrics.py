"""The metrics as folders: loaded where this project can't be imported, run as apps, published as Spaces."""

import json
import shutil
import subprocess
import sys
from importlib import import_module

import pytest
import yaml

import hub_cards.__main__
from command_line import HOME
from hub_cards.metrics import EXAMPLES, metric_files
from tests.helpers.hub_toys import Client
from tests.test_floor_plan import LEVEL

ALONE = """
import importlib.util, json, sys
from pathlib import Path
sys.modules |= dict.fromkeys({rooms!r})  # none of these can be imported
import evaluate
told = {{}}
for name, example in {examples!r}.items():
    told[name] = [evaluate.load(place).compute(**example) for place in (name, f"{{name}}/{{name}}.py")]
    spec = importlib.util.spec_from_file_location("app", f"{{name}}/app.py")
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    told[name].append(app.page.fn(json.dumps(example)))
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("metrics")
    hub_cards.__main__.main(["metrics", str(root / "made")])
    return root / "made"


def test_there_is_a_folder_for_each_metric(folders):
    modules = {path.stem for path in (HOME / "evaluation" / "metrics").glob("[!_]*.py")}
    assert {path.name for path in folders.iterdir()} == modules == EXAMPLES.keys()


def test_they_compute_the_same_where_nothing_of_this_project_can_be_imported(folders, tmp_path):
    pytest.importorskip("gradio")
    shutil.copytree(folders, tmp_path / "away")
    source = ALONE.format(rooms=[*LEVEL], examples=EXAMPLES)
    done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path / "away", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, results in json.loads(done.stdout.splitlines()[-1]).items():
        ours = getattr(import_module(f"evaluation.metrics.{name}"), name)().compute(**EXAMPLES[name])
        assert results == [json.loads(json.dumps(ours))] * 3, name


@pytest.mark.parametrize("name", EXAMPLES)
def test_card_and_requirements_tell_a_space_what_it_needs(name):
    files = metric_files(name, "me/metric")
    card = files["README.md"].decode()
    data = yaml.safe_load(card.split("---")[1])
    assert (data["sdk"], data["app_file"], data["tags"]) == ("gradio", "app.py", ["evaluate", "metric"])
    assert f"**{EXAMPLES[name]}" in card
    assert 'evaluate.load("me/metric")' in card
    code = "".join(content.decode() for place, content in files.items() if place.endswith(".py"))
    required = {line.split("==")[0] for line in files["requirements.txt"].decode().splitlines()}
    assert required == {library for library in ("datasets", "evaluate", "numpy", "scipy") if f" {library}" in code}


def test_they_are_published_once_and_a_directory_that_is_there_is_left(hub, tmp_path):
    client = Client(hub, tmp_path / "home")
    assert client.hub_cards("publish-metrics", "me").stdout.count(": published\n") == len(EXAMPLES)
    assert client.hub_cards("publish-metrics", "me").stdout.count("everything was there already") == len(EXAMPLES)
    files = hub.repo("me/risk_coverage", "space").files()
    sent = metric_files("risk_coverage", "me/risk_coverage")
    assert {path: files[path] for path in sent} == sent
    load = "evaluate.load('me/no_knowledge_baseline').compute(value_sizes=[1])"
    assert client.python(f"import json, evaluate\nprint(json.dumps({load}))") == {"no_knowledge_baseline": 0.0}
    refused = client.hub_cards("metrics", tmp_path, code=2)
    assert "exists already and is left as it is" in refused.stderr
