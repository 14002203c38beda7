"""Checkpoints that metaopt wrote before its modules moved: see tests/fixtures/before_house/meta_training."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch

from metaopt import InputError, StorageError
from metaopt.meta import checkpoint, has_checkpoint

FIXTURE = Path(__file__).parents[1] / "fixtures" / "before_house" / "meta_training"


@pytest.fixture(scope="module")
def made():
    """The module that made the checkpoints."""
    spec = importlib.util.spec_from_file_location("make_checkpoints", FIXTURE / "make_checkpoints.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path):
    """A copy of a rule's checkpoint, by the rule's name."""

    def copied(rule):
        return shutil.copytree(FIXTURE / rule, tmp_path / rule)

    return copied


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["meta_sgd", "l2l_lstm"])
def test_a_meta_training_begun_before_modules_moved_goes_on(rule, made, folder):
    iterations = []
    place = folder(rule)
    begun = torch.load(place / checkpoint.FILE, weights_only=True)["run"]["iteration"]
    result = made.meta_train(rule, folder=place, progress=lambda progress: iterations.append(progress.iteration))
    assert begun == made.INTERRUPTED - 1
    assert iterations[0] == made.INTERRUPTED
    expected = json.loads((FIXTURE / "ends.json").read_text())[rule]
    assert result.recipe.theta.keys() == expected.keys()
    if not torch.__version__.startswith("2.13"):
        pytest.skip("it goes on, but another torch than 2.13 draws or rounds other numbers")
    for name, weights in expected.items():
        torch.testing.assert_close(result.recipe.theta[name], torch.tensor(weights), rtol=1e-4, atol=1e-6)


def test_that_of_another_meta_training_is_refused_with_what_to_do(made, folder):
    with pytest.raises(InputError, match=r"another meta-training \(plugin, tasks, .*\); choose another folder, or"):
        made.meta_train("meta_sgd", folder=folder("meta_sgd"), seed=1)


def test_what_is_written_is_read_again_with_the_same_identity_alone(tmp_path):
    assert not has_checkpoint(tmp_path)
    assert checkpoint.read(tmp_path, "identity") is None
    checkpoint.write(tmp_path / "new", {"identity": "identity", "numbers": torch.arange(3)})
    assert has_checkpoint(tmp_path / "new")
    assert torch.equal(checkpoint.read(tmp_path / "new", "identity")["numbers"], torch.arange(3))
    with pytest.raises(InputError, match="another meta-training"):
        checkpoint.read(tmp_path / "new", "other")


@pytest.mark.parametrize("content", [b"", b"no zip file", b"PK\x03\x04 cut off"])
def test_a_damaged_one_is_named_with_what_to_do(content, tmp_path):
    (tmp_path / checkpoint.FILE).write_bytes(content)
    with pytest.raises(StorageError, match=r"checkpoint\.pt is no checkpoint of a meta-training: .*; delete it"):
        checkpoint.read(tmp_path, "identity")
