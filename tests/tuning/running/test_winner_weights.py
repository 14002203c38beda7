"""The winner of a study of few-shot tasks comes with weights, wherever these are trained."""

import itertools
from dataclasses import dataclass, field

import cloudpickle
import pytest
import torch

import metaopt
from metaopt.tuning.executors.dispatcher import Dispatcher
from metaopt.tuning.executors.protocol import Ended
from metaopt.tuning.running.winner_weights import with_weights
from tests.meta.conftest import small_waves


@dataclass
class AnotherMachine:
    """Runs what it gets as one would that shares nothing with this process but what travels."""

    labels: list = field(default_factory=list)
    _ended: list = field(default_factory=list)
    _tickets: itertools.count = field(default_factory=itertools.count)

    is_elsewhere = True

    def submit(self, block, waiting):
        function, arguments = cloudpickle.loads(cloudpickle.dumps(block.call()))
        self.labels.append(block.label)
        self._ended.append(Ended(next(self._tickets), result=function(*arguments)))
        return self._ended[-1].ticket

    def finished(self, timeout):
        ended, self._ended = self._ended, []
        return ended

    def cancel(self, tickets):
        self._ended = []

    def is_alive(self):
        return True

    def close(self):
        pass


@pytest.fixture
def waves():
    return [small_waves(num_iterations=12, num_steps=1)]


def recipe(name):
    return metaopt.Recipe.create(metaopt.Configuration(name))


def same(one, other):
    return one.theta.keys() == other.theta.keys() and all(
        torch.equal(one.theta[name], weights) for name, weights in other.theta.items()
    )


@pytest.mark.parametrize("has_folder", [True, False])
def test_they_are_trained_where_the_study_s_other_trainings_run(evaluator, waves, tmp_path, has_folder):
    home = with_weights(recipe("meta_sgd"), waves, evaluator, seed=0, folder=None)
    folder, machine = tmp_path if has_folder else None, AnotherMachine()
    evaluator.workers = Dispatcher(machine)
    there = with_weights(recipe("meta_sgd"), waves, evaluator, seed=0, folder=folder)
    assert machine.labels == [f"The meta-training of the recipe on {waves[0].name}"]
    assert same(there, home)
    evaluator.workers = None
    again = with_weights(recipe("meta_sgd"), waves, evaluator, seed=0, folder=folder, train=False)
    assert same(again, home) if has_folder else not again.theta


def test_a_study_that_goes_on_may_choose_another_rule(evaluator, waves, tmp_path):
    first, second = (with_weights(recipe(name), waves, evaluator, seed=0, folder=tmp_path) for name in ("maml", "anil"))
    assert first.configuration.optimizer == "maml"
    assert second.configuration.optimizer == "anil"
    assert same(with_weights(recipe("maml"), waves, evaluator, seed=0, folder=tmp_path, train=False), first)


def test_a_study_of_an_earlier_metaopt_keeps_its_weights(evaluator, waves, tmp_path):
    first = with_weights(recipe("maml"), waves, evaluator, seed=0, folder=tmp_path)
    [file] = tmp_path.rglob("checkpoint.pt")
    file.replace(tmp_path / file.name)  # where it once lay
    assert same(with_weights(recipe("maml"), waves, evaluator, seed=0, folder=tmp_path, train=False), first)
