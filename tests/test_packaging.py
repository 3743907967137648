"""What a wheel holds, and what it finds from its user's folder."""

import os
import shutil
import subprocess
import sys
import tomllib

from command_line import run
from tests.helpers.pretraining import ROOT
from tests.test_floor_plan import FLOORS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
INCLUDED = [ROOT / path for path in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]]
MOST_BYTES = 1_500_000  # the results of the experiments have more
LOAD = "from sweeps.sweep import ROOT, load_sweep; print(load_sweep('mine').script, ROOT)"


def test_a_wheel_holds_all_rooms_and_recipes_and_no_results():
    rooms = set().union(*FLOORS) - {"experiments", "benchmarks"}
    assert {path.stem for path in INCLUDED} == rooms | {"recipes"}
    files = [f for path in INCLUDED for f in ([path] if path.is_file() else path.rglob("*")) if f.suffix != ".pyc"]
    assert sum(file.stat().st_size for file in files if file.is_file()) < MOST_BYTES
    assert {ROOT / "data_builder/values/city.txt", ROOT / "hub_cards/templates/model_card.md.j2"} <= {*files}


def test_an_installed_sweep_has_its_recipe_from_the_users_folder_and_its_script_from_the_wheel(tmp_path):
    site, user = tmp_path / "site", tmp_path / "user"
    site.mkdir()
    for path in INCLUDED:
        (shutil.copytree if path.is_dir() else shutil.copy)(path, site / path.name)
    (user / "mine").mkdir(parents=True)
    (user / "own.yaml").touch()
    (user / "mine" / "sweep.yaml").write_text("{recipe: own.yaml, seeds: [0], output_dir: runs}")

    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", LOAD], cwd=user, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [str(site / "run_pretrain.py"), str(user)]


def test_every_script_tells_the_version_of_the_clone(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["run_pretrain.py", "--version"])
    run(None)
    assert capsys.readouterr().out == f"fact-learning {PROJECT['project']['version']}\n"
