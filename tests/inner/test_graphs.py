"""What populations share lives as long as whoever holds it, and no longer than its task."""

import dataclasses
import gc
import weakref

import numpy as np
from torch import nn

from metaopt.inner import Graphs, train


def counted(builds):
    def model():
        builds.append(1)
        return nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10)).double()

    return model


def test_a_second_population_makes_no_graph_that_the_first_one_made(task, member):
    digits, graphs = task(num_steps=6, num_validations=2), Graphs()
    members = [member("adamw"), member("sgd", sgd__lr=0.1)]
    first = train(digits, members, graphs=graphs)
    rules = len(graphs.rules)
    assert len(graphs.of_task(digits).graphs) == len(["gradients", "metrics"])
    second = train(digits, members, graphs=graphs)
    assert len(graphs.of_task(digits).graphs) == len(["gradients", "metrics"])
    assert len(graphs.rules) == rules > 0
    for result, same in zip(first, second, strict=True):
        assert np.array_equal(result.curve.values, same.curve.values)


def test_graphs_of_another_holder_are_not_touched(task, member):
    digits, graphs = task(num_steps=6, num_validations=2), Graphs()
    train(digits, [member("adamw")])
    train(digits, [member("adamw")], graphs=Graphs())
    assert len(graphs.rules) == len(graphs.of_task(digits).graphs) == 0


def test_a_task_that_is_trained_shorter_shares_the_graphs_of_the_whole_one(task, member):
    digits, graphs = task(num_steps=6, num_validations=2), Graphs()
    short = dataclasses.replace(digits, num_steps=3, num_validations=1)
    graphs.share(short, digits)
    assert graphs.of_task(short) is graphs.of_task(digits)
    train(short, [member("adamw")], graphs=graphs)
    made = len(graphs.of_task(digits).graphs)
    train(digits, [member("adamw")], graphs=graphs)
    assert len(graphs.of_task(digits).graphs) == made > 0


def test_whether_a_task_can_be_vmapped_is_found_out_once(task):
    builds = []
    digits, graphs = task(counted(builds)), Graphs()
    assert graphs.loop_reason(digits) is graphs.loop_reason(digits) is None
    assert len(builds) == 1


def test_no_task_is_kept_alive(task, member):
    digits, graphs = task(counted([])), Graphs()
    train(digits, [member("sgd")], graphs=graphs)
    ghost = weakref.ref(digits)
    del digits
    gc.collect()
    assert ghost() is None
