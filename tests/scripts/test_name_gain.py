"""Training with errors that reach names made larger, as a user starts it."""

import pytest

import run_pretrain
from command_line import UserError
from tests.helpers.patching import patch
from tests.helpers.pretraining import pretrain, records, same, weights


def test_it_learns_otherwise_from_the_same_beginning_and_resumes(tmp_path):
    pretrain(tmp_path / "plain", "--save_at", 10)
    pretrain(tmp_path / "one", "--name_gain", 1)
    pretrain(tmp_path / "ten", "--name_gain", 10, "--save_steps", 10)
    assert same(weights(tmp_path / "plain"), weights(tmp_path / "one"))
    plain, ten = records(tmp_path / "plain"), records(tmp_path / "ten")
    for key in ("loss", "seen_attribute_loss", "layer_1_gradient_to_names"):  # also of the errors, as they are
        assert next(r[key] for r in plain if key in r) == next(r[key] for r in ten if key in r)
    assert not same(weights(tmp_path / "plain"), weights(tmp_path / "ten"))
    pretrain(tmp_path / "cut", "--name_gain", 10, "--save_steps", 10, "--stop_at", 10)
    pretrain(tmp_path / "cut", "--name_gain", 10, "--save_steps", 10, "--resume_from_checkpoint", "latest")
    assert same(weights(tmp_path / "cut"), weights(tmp_path / "ten"))
    with pytest.raises(UserError, match="was trained with name_gain 10; a reference is trained without"):
        patch(tmp_path / "patched", tmp_path / "ten", reference_patching=10)


@pytest.mark.parametrize("gain", [0, -1, "nan", "inf"])
def test_a_factor_that_is_none_is_one_line(tmp_path, gain):
    with pytest.raises(UserError, match=f"name_gain is {float(gain)}; it must be above 0"):
        run_pretrain.main(["recipes/nano.yaml", "--output_dir", str(tmp_path / "run"), "--name_gain", str(gain)])
    assert not (tmp_path / "run").exists()
