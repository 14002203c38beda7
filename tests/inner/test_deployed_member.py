"""Members whose optimizer is a class without a rule train by themselves, and as the rule of the same class does."""

import itertools

import numpy as np
import pytest
import schedulefree
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.inner import Graphs, Member, train
from metaopt.inner.deployed_member import DeployedMember
from metaopt.plugin.registry import Registry


class Noisy(torch.optim.SGD):
    """Adds noise from torch's global generator to each step."""

    @torch.no_grad()
    def step(self, closure=None):
        super().step()
        for group in self.param_groups:
            for param in group["params"]:
                param.add_(1e-3 * torch.randn_like(param))


@pytest.fixture
def alone():
    """`alone(cls, "cosine", seed=0, lr=…)`: a member whose optimizer is the class."""

    def alone(cls, controller="constant", seed=0, spec=None, **hparams):
        registry = Registry.discover()
        registry.register(metaopt.optimizer_spec(cls, name="mine", **(spec or {})))
        values = {f"mine.{name}": value for name, value in hparams.items()}
        return Member(assemble(Configuration("mine", controller, hparams=values), registry), seed)

    return alone


def arrays(trained):
    curve = trained.curve
    drawn = {f"{name}, resampled": values for name, values in curve.resampled.items()}
    return {"validation": curve.values, "test": curve.test, **curve.signals, **drawn}


def assert_equal(first, second, rtol=1e-10):
    first, second = arrays(first), arrays(second)
    assert first.keys() == second.keys()
    for name in first:
        digits = max(rtol, 1e-5) if name.endswith("resampled") else rtol  # these are kept in six digits
        np.testing.assert_allclose(first[name], second[name], rtol=digits, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("controller", ["constant", "cosine", "plateau", "hypergradient", "greedy"])
def test_it_trains_as_the_rule_of_the_class_does(task, member, alone, controller):
    values = {"lr": 3e-3, "weight_decay": 0.1}
    rule = member("adamw", controller, seed=3, **{f"adamw__{name}": value for name, value in values.items()})
    trained = train(task(), [alone(torch.optim.AdamW, controller, 3, **values), rule], engine="loop", resampled=True)
    assert_equal(*trained, rtol=1e-6)


def test_it_is_measured_at_its_averages(task, member, alone):
    rule = member("schedulefree_adamw", seed=1)
    trained = train(task(), [alone(schedulefree.AdamWScheduleFree, seed=1), rule], engine="loop")
    assert_equal(*trained, rtol=1e-6)


def test_buffers_and_masks_are_a_members_own(task, member, alone):
    def network():
        return nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 10)).double()

    rule = member("sgd", seed=2, sgd__lr=0.05, sgd__momentum=0.9, sgd__weight_decay=0.0)
    other = alone(torch.optim.SGD, seed=2, lr=0.05, momentum=0.9)
    assert_equal(*train(task(network), [other, rule], resampled=True), rtol=1e-6)


def test_what_a_class_draws_depends_on_its_seed_alone(task, member, alone):
    members = [alone(Noisy, seed=seed) for seed in (0, 1)]
    torch.manual_seed(5)
    first, second = train(task(), members)
    state = torch.get_rng_state()
    mixed = train(task(), [member("adamw"), members[1], members[0]])
    assert torch.equal(torch.get_rng_state(), state)
    assert_equal(mixed[1], second, rtol=0)
    assert_equal(mixed[2], first, rtol=0)
    assert not np.array_equal(first.curve.values, second.curve.values)


def test_others_train_as_they_would_without_it(task, member, alone):
    rules = [member("adamw", seed=0), member("sgd", seed=1)]
    without = train(task(), rules)
    among = train(task(), [rules[0], alone(torch.optim.Adamax), rules[1]])
    assert_equal(among[0], without[0])
    assert_equal(among[2], without[1])


@pytest.mark.parametrize("rate", [1e-2, 1e25])
def test_divergence_is_nan_from_where_it_is(task, member, alone, rate):
    rule = member("sgd", sgd__lr=rate, sgd__momentum=0.0, sgd__weight_decay=0.0)
    mine, expected = train(task(), [alone(torch.optim.SGD, lr=rate), rule], engine="loop")
    np.testing.assert_array_equal(np.isfinite(mine.curve.values), np.isfinite(expected.curve.values))
    assert np.isfinite(mine.curve.values).all() == (rate < 1)


def test_steps_whose_gradients_overflow_are_skipped_as_with_a_rule(task, member, alone):
    calls = itertools.count()

    def loss(outputs, targets):
        bad = next(calls) % 5 == 2
        return nn.functional.cross_entropy(outputs, targets) * (torch.nan if bad else 1.0)

    curves = []
    for each in (alone(torch.optim.AdamW, seed=1), member("adamw", seed=1)):
        calls = itertools.count()
        digits = task(loss=loss, metric=nn.functional.cross_entropy)
        curves.append(train(digits, [each], engine="loop")[0].curve.values)
    assert np.isfinite(curves[0]).all()
    np.testing.assert_allclose(*curves, rtol=1e-6)


def test_twenty_such_steps_in_a_row_are_the_end(task, alone):
    def loss(outputs, targets):
        return nn.functional.cross_entropy(outputs, targets) * torch.nan

    curve = train(task(loss=loss, metric=nn.functional.cross_entropy), [alone(torch.optim.SGD)])[0].curve
    assert np.isfinite(curve.values[:1]).all()  # step 10 of 40: the weights are those of the start
    assert np.isnan(curve.values[2:]).all()


def test_a_class_that_evaluates_anew_gets_a_closure(task, alone):
    everything = task(batch_size=4096, num_steps=8)
    curve = train(everything, [alone(torch.optim.LBFGS, spec={"line_search_fn": "strong_wolfe"})])[0].curve
    assert curve.signals["train_loss"][-1] < 0.05  # of 2.3 at the start, after eight steps over all examples


def test_a_class_that_differentiates_gradients_gets_a_graph(task, alone):
    library = pytest.importorskip("pytorch_optimizer")
    curve = train(task(), [alone(library.AdaHessian, spec={"needs_graph": True})])[0].curve
    assert curve.values[-1] < 0.9 * np.log(10)


def test_a_step_that_raises_counts_as_diverged_and_is_told_of_once(task, alone, recwarn):
    class Failing(torch.optim.SGD):
        num_steps = 0

        def step(self, closure=None):
            with torch.no_grad():
                for param in self.param_groups[0]["params"]:
                    param.mul_(self.param_groups[0]["lr"])
            self.num_steps += 1
            if self.num_steps > 2:  # after what it is tried out with
                raise RuntimeError("no more")

    assert np.isnan(train(task(), [alone(Failing, lr=1e38)])[0].curve.values).all()
    assert not [each for each in recwarn if "no more" in str(each.message)]  # the weights were lost
    sound, graphs = alone(torch.optim.SGD, lr=0.1), Graphs()
    with pytest.warns(RuntimeWarning, match=r"with 'mine' counts .* raised RuntimeError: no more; .*'mine.lr': 0.1"):
        trained = train(task(), [alone(Failing, lr=0.1), sound], resampled=True, graphs=graphs)
    assert np.isnan(trained[0].curve.values).all()
    assert np.isfinite(trained[1].curve.values).all()
    recwarn.clear()
    train(task(), [alone(Failing, lr=0.1)], graphs=graphs)
    assert not [each for each in recwarn if "no more" in str(each.message)]


def test_a_class_that_refuses_its_hyperparameters_counts_as_diverged(task, alone):
    with pytest.warns(RuntimeWarning, match=r"torch.optim.SGD cannot be made: ValueError: Nesterov"):
        curve = train(task(), [alone(torch.optim.SGD, nesterov=True)], resampled=True)[0].curve
    assert np.isnan(curve.values).all()
    assert len(curve.steps) == 4


def test_what_fails_in_the_task_is_raised(task, alone):
    def loss(outputs, targets):
        raise RuntimeError("the loss failed")

    with pytest.raises(RuntimeError, match="the loss failed"):
        DeployedMember(task(loss=loss), alone(torch.optim.SGD)).curve(False, None)


def test_progress_counts_its_steps(task, alone):
    done = []
    DeployedMember(task(), alone(torch.optim.SGD)).curve(False, done.append)
    assert done == [10, 10, 10, 10]


def test_signals_that_a_class_has_not_are_not_a_number(task, alone):
    curve = train(task(), [alone(torch.optim.SGD)], signals=frozenset({"stop"}))[0].curve
    assert np.isnan(curve.signals["stop"]).all()


class InReverse(nn.Module):
    """Registers its output first."""

    def __init__(self):
        super().__init__()
        self.out, self.first = nn.Linear(12, 10), nn.Linear(64, 12)
        self.double()

    def forward(self, x):
        return self.out(self.first(x).tanh())


def test_what_sees_the_input_is_found_by_a_pass(task, member):
    """As for members that a rule steps, whose slowed input is the same."""
    registry = Registry.discover()
    registry.register(metaopt.optimizer_spec(torch.optim.AdamW, name="mine"))
    values = {"lr": 3e-3, "weight_decay": 0.1}
    members = [
        Member(
            assemble(
                Configuration(
                    name,
                    hparams={f"{name}.{key}": value for key, value in values.items()},
                    roles={"input": {"fan_in": 8}},
                ),
                registry,
            ),
            3,
        )
        for name in ("mine", "adamw")
    ]
    assert_equal(*train(task(InReverse), members, engine="loop"), rtol=1e-6)
