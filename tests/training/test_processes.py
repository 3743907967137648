"""Several processes, as launchers start them: they agree on how many they are, and measure what one would."""

import json
import os
import socket
import subprocess

import pytest
from accelerate.utils.environment import get_cpu_distributed_information

import command_line
from command_line import UserError
from evaluation.sharing import shared_map
from pipeline import read_settings
from settings import PRETRAINING
from settings.training import TrainingSettings
from tests.helpers.pretraining import NANO, ROOT, TIMES, command, pretrain, records, two_processes
from training import start

# Weights stay as they are, so that all that is measured must be equal, to the bit; groups are several chunks.
STILL = ("--learning_rate", 0, "--muon_learning_rate", 0, "--max_steps", 2, "--eval_steps", 2, "--num_threads", 1)
STILL += ("--n_individuals", 200, "--n_unseen", 200, "--eval_individuals", 150)
OF_TRAINING = ("loss", "train_attribute_loss")  # sums over parts of a batch


def reports(run):
    read = {
        name: json.loads((run / f"{name}.json").read_text()) for name in ("individuals", "hallucination", "ablation")
    }
    read["hallucination"].pop("seconds")
    return read


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    run = tmp_path_factory.mktemp("alone") / "run"
    pretrain(run, *STILL, "--per_device_train_batch_size", 8)
    return run


def test_two_processes_measure_what_one_does_to_the_bit(alone, tmp_path):
    two_processes(tmp_path / "two", *STILL, "--per_device_train_batch_size", 4)
    assert records(tmp_path / "two", *TIMES, *OF_TRAINING) == records(alone, *TIMES, *OF_TRAINING)
    assert reports(tmp_path / "two") == reports(alone)


def test_processes_of_mpirun_are_those_of_accelerate(alone, tmp_path):
    """As Open MPI starts them, without its library: each is told its number and nothing else."""
    words, processes = command(tmp_path / "two", *STILL, "--per_device_train_batch_size", 4), []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        shared = os.environ | {"MASTER_PORT": str(free.getsockname()[1])}
    for rank in range(2):
        told = {"SIZE": 2, "RANK": rank, "LOCAL_SIZE": 2, "LOCAL_RANK": rank}
        mpi = shared | {f"OMPI_COMM_WORLD_{name}": str(value) for name, value in told.items()}
        processes.append(subprocess.Popen(words, cwd=ROOT, env=mpi, stdout=subprocess.PIPE, text=True))
    said = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert [text.count("batch 8 (processes 2, each 4 by 1)") for text in said] == [1, 0]
    assert records(tmp_path / "two", *TIMES, *OF_TRAINING) == records(alone, *TIMES, *OF_TRAINING)


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ({}, {}),
        ({"PMI_SIZE": "1", "PMI_RANK": "0"}, {}),  # of SLURM's srun, for one
        ({"WORLD_SIZE": "4", "RANK": "3", "PMI_SIZE": "2"}, {"WORLD_SIZE": "4", "RANK": "3"}),  # torchrun inside
        ({"PMI_SIZE": "4", "PMI_RANK": "3"}, {"WORLD_SIZE": "4", "RANK": "3"}),  # on several machines
        (
            {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"},
            {
                "WORLD_SIZE": "2",
                "RANK": "1",
                "LOCAL_WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": "29500",
            },
        ),
    ],
)
def test_processes_have_the_numbers_that_accelerate_gives_them(monkeypatch, told, known):
    names = [*command_line._PROCESSES, *command_line._MEETING]
    monkeypatch.setattr(os, "environ", dict(told))
    command_line.number_processes()
    assert {name: os.environ[name] for name in names if name in os.environ} == known
    accelerates = get_cpu_distributed_information()
    assert (accelerates.world_size, accelerates.rank) == (int(known.get("WORLD_SIZE", 1)), int(known.get("RANK", 0)))


def test_processes_that_accelerate_does_not_find_are_refused(monkeypatch, tmp_path):
    """As where a variable tells the number of machines."""
    monkeypatch.setattr(start, "n_processes", lambda: 2)
    with pytest.raises(UserError, match=r"launcher says 2 processes \(WORLD_SIZE\), but accelerate finds 1; start"):
        start.start_accelerate(tmp_path, TrainingSettings(output_dir=str(tmp_path)))


def test_one_process_shares_nothing_out():
    assert shared_map(str, [3, 4]) == ["3", "4"]


@pytest.mark.parametrize(
    ("told", "options", "line"),
    [
        ({"USE_FSDP": "true"}, (), "accelerate's launcher says FSDP; here each process has the whole model"),
        ({"USE_DEEPSPEED": "true"}, (), "accelerate's launcher says DeepSpeed"),
        ({"USE_MEGATRON_LM": "true"}, (), "accelerate's launcher says Megatron-LM"),
        ({"MIXED_PRECISION": "fp16"}, (), "accelerate's launcher says mixed_precision fp16; there is no, bf16"),
        ({"MIXED_PRECISION": "bf16"}, ("--mixed_precision", "no"), "mixed_precision is no here, but .* says bf16; say"),
        ({"GRADIENT_ACCUMULATION_STEPS": "4"}, ("--gradient_accumulation_steps", "2"), "is 2 here, but .* says 4"),
    ],
)
def test_what_the_launcher_cannot_mean_is_one_line(monkeypatch, tmp_path, told, options, line):
    for name, value in told.items():
        monkeypatch.setenv(f"ACCELERATE_{name}", value)
    with pytest.raises(UserError, match=line) as error:
        pretrain(tmp_path / "run", *options)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_what_the_launcher_was_told_is_used_where_nothing_else_is_said(monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    training = read_settings(PRETRAINING, [NANO], "")[-1]
    assert (training.mixed_precision, training.gradient_accumulation_steps) == ("bf16", 4)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")  # what it says if nobody told it
    assert read_settings(PRETRAINING, [NANO, "--mixed_precision", "bf16"], "")[-1].mixed_precision == "bf16"


def test_accelerate_does_not_count_passes_once_more(monkeypatch, tmp_path):
    """It would divide the loss by them."""
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    settings = TrainingSettings(output_dir=str(tmp_path), gradient_accumulation_steps=4)
    assert start.start_accelerate(tmp_path, settings).gradient_accumulation_steps == 1
