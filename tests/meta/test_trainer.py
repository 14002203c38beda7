"""Meta-training: it learns, it resumes as if nothing had happened, it says what it left out, it stays small."""

import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import metaopt
from metaopt.errors import InputError, StorageError
from metaopt.meta import Trainer, checkpoint
from metaopt.meta.checkpoint import FILE
from tests.meta.conftest import SometimesBroken, blob_task, learned, small_waves

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize("name", ["maml", "fomaml", "anil", "reptile", "meta_sgd", "meta_lstm", "proto_maml"])
def test_a_few_hundred_iterations_help(name):
    task = blob_task(num_iterations=150, episodes_per_iteration=8)
    hparams = {"outer_lr": 0.01} if name in ("meta_lstm", "reptile") else {"outer_lr": 0.005}
    curve = Trainer(learned(name, **hparams), [task], compile="off").train().curves["blobs"]
    untrained = Trainer(learned(name), [task], compile="off")
    before = float(untrained.evaluate(untrained._first_theta, "test").mean())
    assert curve.test[-1] < 0.9 * before


def test_the_l2l_lstm_learns_to_go_down():
    task = small_waves(num_steps=10, num_iterations=120, num_evaluated=20)
    assembly = learned("l2l_lstm", hidden_size=8, outer_lr=0.01)
    trainer = Trainer(assembly, [task], compile="off")
    before = float(trainer.evaluate(trainer._first_theta, "test").mean())
    assert trainer.train().curves[task.name].test[-1] < 0.8 * before


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(waves):
    one, same, other = (
        Trainer(learned("meta_sgd"), [waves], seed=seed, compile="off").train().theta for seed in (0, 0, 1)
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("name", ["meta_sgd", "l2l_lstm"])
def test_resumed_it_ends_where_it_would_have_ended(name, tmp_path, monkeypatch):
    """`l2l_lstm` is interrupted in the middle of a trajectory, whose state is part of the checkpoint."""
    monkeypatch.setattr("metaopt.meta.trainer.PERIOD", 0.0)
    task = small_waves(num_iterations=20, num_evaluated=4, num_steps=50 if name == "l2l_lstm" else 2)
    hparams = {"hidden_size": 4} if name == "l2l_lstm" else {}
    unbroken = Trainer(learned(name, **hparams), [task], compile="off").train()
    calls = []

    def check():
        calls.append(None)
        if len(calls) == 12:
            raise StoppedError

    with pytest.raises(StoppedError):
        Trainer(learned(name, **hparams), [task], compile="off").train(tmp_path, check=check)
    resumed = Trainer(learned(name, **hparams), [task], compile="off").train(tmp_path)
    assert all(torch.equal(resumed.theta[key], unbroken.theta[key]) for key in unbroken.theta)
    assert resumed.curves[task.name].to_json() == unbroken.curves[task.name].to_json()


KILLED = """
import sys, metaopt
import metaopt.meta.trainer as trainer
trainer.PERIOD = 0.05
from tests.meta.conftest import small_waves
task = small_waves(num_iterations=2000, num_evaluated=4)
result = metaopt.meta_train("meta_sgd", task, folder=sys.argv[1], compile="off")
result.recipe.save(sys.argv[2])
"""


def test_killed_in_the_middle_the_same_command_goes_on(tmp_path):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", KILLED]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    first = subprocess.Popen([*command, str(tmp_path / "ck"), str(tmp_path / "killed")], cwd=root, env=environment)
    while not (tmp_path / "ck" / FILE).exists():
        time.sleep(0.02)
        assert first.poll() is None
    time.sleep(0.3)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert torch.load(tmp_path / "ck" / FILE, weights_only=True)["run"]["iteration"] < 2000
    for folder, name in (("ck", "killed"), ("other", "unbroken")):
        subprocess.run([*command, str(tmp_path / folder), str(tmp_path / name)], cwd=root, env=environment, check=True)
    killed, unbroken = (metaopt.load_recipe(tmp_path / name).theta for name in ("killed", "unbroken"))
    assert all(torch.equal(killed[name], unbroken[name]) for name in unbroken)


def test_a_checkpoint_of_another_meta_training_is_refused(waves, tmp_path):
    Trainer(learned("maml"), [waves], compile="off").train(tmp_path)
    with pytest.raises(InputError, match="another meta-training"):
        Trainer(learned("maml"), [waves], seed=1, compile="off").train(tmp_path)


def test_a_checkpoint_that_finds_no_room_is_one_sentence_and_leaves_nothing_behind(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(metaopt.StorageError, match=r"checkpoint\.pt cannot be written: File too large"):
            checkpoint.write(tmp_path, {"identity": "mine", "theta": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_a_corrupt_checkpoint_is_named(waves, tmp_path):
    (tmp_path / FILE).write_bytes(b"nothing")
    with pytest.raises(StorageError, match=r"checkpoint\.pt is no checkpoint of a meta-training"):
        Trainer(learned("maml"), [waves], compile="off").train(tmp_path)


def test_an_inner_loop_that_always_diverges_is_an_error():
    task = replace(blob_task(), episodes=SometimesBroken(1))
    with pytest.raises(InputError, match="No meta-gradient of 'maml' on 'blobs' was ever finite; lower the inner rate"):
        Trainer(learned("maml"), [task], compile="off").train()


def test_tasks_whose_models_differ_are_refused_where_a_start_is_learned():
    from torch import nn

    wide = replace(blob_task(lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 5))), name="wide")
    with pytest.raises(InputError, match=r"learns one start for all tasks, but '0.bias' has shape \(16,\) in 'blobs'"):
        Trainer(learned("meta_sgd"), [blob_task(), wide])
    Trainer(learned("l2l_lstm"), [blob_task(), wide])


def test_a_rule_that_is_not_learned_is_refused(waves):
    with pytest.raises(InputError, match="'adamw' is not learned"):
        Trainer(learned("adamw"), [waves])


def test_memory_does_not_grow():
    """10,000 iterations are for the benchmark; a thousand after the first hundred show a leak of a graph each."""
    task = small_waves(num_iterations=1100, num_validations=1)
    peaks = {}

    def note(told):
        peaks[told.iteration] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    trainer, begun = Trainer(learned("meta_sgd"), [task], compile="off"), []

    def check():
        begun.append(None)
        if len(begun) in (101, 1100):
            note(metaopt.MetaProgress(len(begun), 1100, 0.0, 0.0, 0, 0.0, 0.0))

    trainer.train(check=check)
    assert peaks[1100] < 1.03 * peaks[101]
