"""A plugin that only the driver knows is known in its workers, too."""

import threading

import pytest
import torch
from torch import nn

import metaopt
from metaopt.plugin import OptimizerSpec, current_registry
from metaopt.tuning.executors.dispatcher import Dispatcher
from metaopt.tuning.executors.local import LocalExecutor
from metaopt.tuning.executors.protocol import Block
from metaopt.tuning.running.carried_plugins import adopt_plugins, carried_plugins

PLUGIN = '''
import torch
import metaopt
from metaopt import hookimpl


class Signed(torch.optim.SGD):
    """Of a file that nobody can import by name."""


@hookimpl
def metaopt_plugins():
    return [metaopt.optimizer_spec(Signed, name="of_file")]
'''


def made_by_name(name):
    """What a training function of a user does."""
    return type(metaopt.create_optimizer(name, nn.Linear(2, 1), lr=0.1)).__name__


@pytest.mark.slow
def test_workers_know_plugins_of_files_and_those_registered_by_hand(tmp_path, monkeypatch):
    registry = current_registry()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    class Local(torch.optim.SGD):
        pass

    sgd = registry.get(OptimizerSpec, "sgd")
    metaopt.register(metaopt.optimizer_spec(Local, name="by_hand"))
    metaopt.register(OptimizerSpec(name="with_rule", version="1", rule=sgd.rule, space=sgd.space))
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN)
    registry.load_file(file)
    names = ["by_hand", "with_rule", "of_file"]
    workers = Dispatcher(LocalExecutor(2))
    try:
        made = dict(workers.results([Block(name, made_by_name, (name,)) for name in names]))
    finally:
        workers.close()
    assert [made[position] for position in range(3)] == ["Local", "RuleOptimizer", "Signed"]


def test_a_plugin_that_cannot_be_written_down_is_left_out(monkeypatch):
    registry = current_registry()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    others = carried_plugins()
    sgd = registry.get(OptimizerSpec, "sgd")
    lock = threading.Lock()
    rule = metaopt.per_tensor(lambda *_: {"lock": lock}, lambda grad, state, *_: (grad, state), granularity="tensor")
    metaopt.register(OptimizerSpec(name="locked", version="1", rule=rule))
    assert carried_plugins() == others
    metaopt.register(OptimizerSpec(name="plain", version="1", rule=sgd.rule, space=sgd.space))
    written = carried_plugins()
    del registry._entries["optimizer", "plain"]
    adopt_plugins([b"no plugin", *written])
    assert registry.get(OptimizerSpec, "plain").space == sgd.space
    assert [entry.spec.name for entry in registry.of_session()] == ["locked", "plain"]
