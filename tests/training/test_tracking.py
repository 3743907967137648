"""Other trackers than metrics.jsonl: one run in each, with the name of its directory, the same numbers and settings."""

from types import SimpleNamespace

import pytest

from run_directory.writing import clear
from settings.training import TrainingSettings
from tests.helpers.pretraining import SEEN, pretrain, records
from training.tracking import begin_tracking


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """A run that was stopped and gone on with, tracked by both trackers that are installed."""
    run = tmp_path_factory.mktemp("tracked") / "few_first-seed3"
    how = ("--report_to", "tensorboard", "trackio", "--project", run.parent.name, "--save_at", 4, 8, "--eval_steps", 2)
    how += ("--draw_figures", "false")
    pretrain(run, *how, "--stop_at", 4, "--max_steps", 8)
    pretrain(run, *how, "--max_steps", 8, "--resume_from_checkpoint", "latest")
    return run


def test_trackio_has_one_run_by_its_name_in_the_group_of_its_variant(resumed):
    from trackio import Api
    from trackio.sqlite_storage import SQLiteStorage

    (run,) = Api().runs(resumed.parent.name)
    assert run.name == resumed.name
    logged = {line["step"]: line[SEEN] for line in SQLiteStorage.get_logs(resumed.parent.name, run.name)}
    assert logged == pytest.approx({line["step"]: line[SEEN] for line in records(resumed)})
    config = run.config
    assert config["_Group"] == "few_first"
    assert config["max_steps"] == 8
    assert config["learning_rate"] == 0.003
    assert config["cpu_tricks"] is True
    assert config["save_at"] == [4, 8]
    assert not {"output_dir", "report_to", "project"} & config.keys()
    assert str(resumed.parent) not in str(config)


def test_tensorboard_has_one_run_too(resumed):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    folder = resumed / "tensorboard"
    assert all(path.is_file() for path in folder.iterdir())
    reader = EventAccumulator(str(folder))
    reader.Reload()
    logged = {scalar.step: scalar.value for scalar in reader.Scalars(SEEN)}
    assert logged == pytest.approx({line["step"]: line[SEEN] for line in records(resumed)}, rel=1e-5)
    content = reader.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    told = HParamsPluginData.FromString(content).session_start_info.hparams
    assert told["max_steps"].number_value == 8
    assert told["save_at"].string_value == "4 8"
    clear(resumed)
    assert not folder.exists()


def begun(run, *trackers, **settings):
    """What accelerate is told."""
    told = []
    accelerator = SimpleNamespace(
        log_with=list(trackers), is_main_process=True, init_trackers=lambda *words: told.append(words)
    )
    begin_tracking(accelerator, run, TrainingSettings(**settings), {"seed": 3, "stop_at": None})
    ((project, config, how),) = told
    return project, config, how


def test_wandb_knows_a_run_again_by_its_id_until_it_is_begun_anew(tmp_path):
    project, config, how = begun(tmp_path, "wandb")
    assert (project, config) == ("fact-learning", {"seed": 3})
    assert how["wandb"] == {
        "name": tmp_path.name,
        "group": how["wandb"]["group"],
        "resume": "allow",
        "id": how["wandb"]["id"],
    }
    again = begun(tmp_path, "wandb", resume_from_checkpoint="latest")[2]
    assert again["wandb"]["id"] == how["wandb"]["id"]
    clear(tmp_path)
    assert begun(tmp_path, "wandb")[2]["wandb"]["id"] != how["wandb"]["id"]


def test_a_run_takes_the_name_project_and_space_that_it_is_given(tmp_path):
    given = {"run_name": "mine", "project": "facts", "trackio_space_id": "me/facts"}
    project, _, how = begun(tmp_path, "trackio", **given)
    assert project == "facts"
    assert how["trackio"] == {"name": "mine", "group": None, "resume": "never", "space_id": "me/facts", "private": None}
    assert "id" not in how["wandb"]
    assert not list(tmp_path.iterdir())
