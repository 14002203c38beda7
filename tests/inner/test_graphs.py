"""Graphs live as long as whoever holds them, and no longer than their task; what cannot be vmapped is told."""

import copy
import dataclasses
import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

import metaopt
from metaopt.inner import Graphs, loop_reason, train


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


# Which tasks can be vmapped


def network(*layers):
    return nn.Sequential(nn.Linear(64, 16), *layers, nn.Linear(16, 10)).double()


class Reader(nn.Module):
    """Reads an image row by row."""

    def __init__(self):
        super().__init__()
        self.memory = nn.LSTM(8, 12, batch_first=True)
        self.output = nn.Linear(12, 10)
        self.double()

    def forward(self, images):
        states, _ = self.memory(images.reshape(-1, 8, 8))
        return self.output(states[:, -1])


class Counting(nn.Module):
    """Counts its forward passes, in a buffer or in an attribute, and fades."""

    def __init__(self, *, buffer):
        super().__init__()
        self.layer = nn.Linear(64, 10).double()
        if buffer:
            self.register_buffer("calls", torch.zeros(()))
        else:
            self.calls = 0

    def forward(self, inputs):
        self.calls += 1
        return self.layer(inputs) / (1 + 0.1 * self.calls)


class Branching(nn.Module):
    """Looks at a value to decide what to do."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10).double()

    def forward(self, inputs):
        output = self.layer(inputs)
        return output if output.sum() > 0 else -output


class Noisy(nn.Module):
    """Adds noise by a function rather than a layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10).double()

    def forward(self, inputs):
        return self.layer(torch.nn.functional.dropout(inputs, 0.3, self.training))


class Attending(nn.Module):
    """Attention of two heads, of which torch has a fused kernel."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, inputs):
        rows = inputs.reshape(-1, 2, 8)
        return self.attention(rows, rows, rows, need_weights=False)[0].flatten(1)


OBSTACLES = {
    "batch norm": (lambda: network(nn.BatchNorm1d(16)), "BatchNorm1d '1' writes running statistics"),
    "dropout": (lambda: network(nn.Dropout(0.2)), "Dropout '1' draws masks"),
    "lstm": (Reader, "LSTM 'memory' has no rule for vmap"),
    "buffer": (lambda: Counting(buffer=True), "'calls' changes in the forward pass"),
    "attribute": (lambda: Counting(buffer=False), "'calls' changes in the forward pass"),
    "branch": (Branching, "vmap fails with RuntimeError: "),
    "functional dropout": (Noisy, "vmap fails with RuntimeError: vmap: called random operation"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_a_model_that_cannot_be_vmapped_trains_in_the_loop_and_says_which_layer(task, member, obstacle):
    model, reason = OBSTACLES[obstacle]
    digits = task(model)
    assert reason in loop_reason(digits)
    curve = train(digits, [member("adamw", adamw__lr=1e-2)])[0].curve
    assert curve.values[-1] < 0.98 * curve.values[0]


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_in_the_loop_a_member_depends_on_nobody_else(task, member, obstacle):
    digits = task(OBSTACLES[obstacle][0], num_steps=12, num_validations=3)
    members = [member("sgd", sgd__lr=0.1, seed=1), member("adamw", seed=0), member("lion", seed=0)]
    together = train(digits, members)
    for one, result in zip(members, together, strict=True):
        alone = train(digits, [one])[0]
        np.testing.assert_allclose(result.curve.values, alone.curve.values, rtol=1e-9)


def test_batch_norm_trains_and_validates_as_in_plain_torch(task, member, plain_loop):
    digits = task(OBSTACLES["batch norm"][0])
    others = [member("sgd", sgd__lr=1.0), member("sgd", seed=2)]
    found = train(digits, [*others, member("sgd", sgd__lr=0.1)])[-1].curve
    expected, expected_test = plain_loop(digits, 0, lambda model: torch.optim.SGD(model.parameters(), lr=0.1))
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)
    np.testing.assert_allclose(found.test, expected_test, rtol=1e-6)


def test_dropout_masks_follow_the_seed(task, member):
    digits = task(OBSTACLES["dropout"][0], num_steps=12, num_validations=3)
    first, again, other = train(digits, [member("sgd", seed=seed) for seed in (3, 3, 4)])
    assert np.array_equal(first.curve.values, again.curve.values)
    assert not np.allclose(first.curve.values, other.curve.values)


@pytest.mark.parametrize(
    "layer",
    [
        nn.LayerNorm(16),
        nn.BatchNorm1d(16, track_running_stats=False),
        nn.Dropout(0.0),
        nn.GELU(),
        nn.Softmax(1),
        Attending(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_vmap_can_follow_goes_to_the_population(task, member, layer):
    digits = task(lambda: network(copy.deepcopy(layer)), num_steps=12, num_validations=3)
    assert loop_reason(digits) is None
    members = [member("adamw"), member("sgd", sgd__lr=0.1)]
    for one, other in zip(train(digits, members), train(digits, members, engine="loop"), strict=True):
        np.testing.assert_allclose(one.curve.values, other.curve.values, rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda: nn.Linear(64, 10), "The model is in float32 and its inputs are in float64: give both one dtype"),
        (lambda: nn.Linear(64, 3, dtype=torch.float64), "IndexError: Target .* is out of bounds"),
        (lambda: nn.Linear(63, 10, dtype=torch.float64), "cannot be multiplied"),
        (lambda: nn.Linear(64, 10).requires_grad_(False), "the model has nothing to train"),
        (lambda: nn.Linear(64, 10, device="meta"), "'weight' is on the meta device and has no data"),
    ],
)
def test_a_model_that_cannot_be_trained_at_all_is_not_called_one_for_the_loop(model, said, task):
    with pytest.raises(metaopt.InputError, match=said):
        loop_reason(task(model))


def test_lazy_layers_are_trained_like_any_other(task, member):
    lazy = lambda: nn.Sequential(nn.LazyLinear(16), nn.Tanh(), nn.LazyLinear(10)).double()  # noqa: E731
    (found,) = train(task(lazy), [member("adamw")])
    (expected,) = train(task(), [member("adamw")])
    assert found.curve.values[-1] == pytest.approx(expected.curve.values[-1], rel=0.2)
