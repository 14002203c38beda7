"""A learned rule fills its dicts in whatever order it likes: what it learns is the same bits."""

import dataclasses

import pytest
import torch

import metaopt
from metaopt.contracts import Policy
from metaopt_corpora.sinusoid_episodes import sinusoid_task

pytestmark = pytest.mark.thorough

STEPS = 4


class Learned(metaopt.Rule):
    """A learned rate; where a policy gradient is taken, it is drawn anew at each step."""

    granularity = "coordinate"

    def init(self, params, hparams, theta, horizon):
        own = {name: {"m": torch.zeros_like(param), "v": torch.zeros_like(param)} for name, param in params.items()}
        return {"tensors": own, "shared": {"seen": torch.zeros(STEPS), "decay": torch.ones(())}}

    def update(self, grads, state, params, hparams, theta, info):
        updates, tensors = {}, {}
        row = torch.arange(STEPS) == info.step % STEPS
        shared = {
            "seen": torch.where(row, state["shared"]["decay"], state["shared"]["seen"]),
            "decay": 0.9 * state["shared"]["decay"],
        }
        noise = (theta[Policy.NOISE] * row).sum() if Policy.NOISE in theta else 0.0
        rate = (theta["log_lr"] * (1 + 0.1 * state["shared"]["decay"]) + noise).exp()
        for name, grad in grads.items():
            own = state["tensors"][name]
            m, v = 0.9 * own["m"] + 0.1 * grad, 0.99 * own["v"] + 0.01 * grad * grad
            updates[name] = -rate * m / (v + 1e-3).sqrt()
            tensors[name] = {"m": m, "v": v}
        return self.filled(updates), self.filled({"tensors": tensors, "shared": shared})

    def filled(self, tree):
        return tree


class Reversed(Learned):
    """The same rule, which fills every dict the other way round."""

    def filled(self, tree):
        return {key: self.filled(part) for key, part in reversed(tree.items())} if isinstance(tree, dict) else tree


class Swapped(Learned):
    """The same rule, which swaps the two tensors of a parameter's state, whose shapes are equal."""

    def filled(self, tree):
        own = {name: dict(reversed(found.items())) for name, found in tree.get("tensors", {}).items()}
        return {**tree, "tensors": own} if own else tree


POLICY = Policy(
    shape=(),
    begins=("decay",),
    trace=("seen",),
    decisions=lambda theta, begins, trace: theta["log_lr"] * (1 + 0.1 * trace["seen"]),
)


def log_lr(rule, memory, **meta):
    training = metaopt.MetaTraining(
        init_theta=lambda params, generator, hparams: {"log_lr": torch.tensor(-3.0)}, **{"truncation": STEPS, **meta}
    )
    name = f"keys_{type(rule).__name__.lower()}_{abs(hash(str(meta)))}"
    spec = metaopt.OptimizerSpec(name=name, version="1", rule=rule, meta=training)
    small = {"num_steps": 2 * STEPS, "num_iterations": 6, "num_evaluated": 4, "num_validations": 1}
    task = dataclasses.replace(sinusoid_task(10), **small)
    return metaopt.meta_train(spec, [task], compile="off", memory=memory).recipe.theta["log_lr"]


@pytest.mark.parametrize("memory", [2**29, 1], ids=["one graph", "segments"])
@pytest.mark.parametrize(
    "meta",
    [
        {"estimator": "backprop"},
        {"estimator": "backprop", "objective": "trajectory"},
        {"estimator": "backprop", "truncation": None},
        {"estimator": "pes", "objective": "trajectory"},
        {"estimator": "es", "objective": "log_trajectory"},
        {"estimator": "reinforce", "objective": "log_trajectory", "policy": POLICY},
    ],
    ids=lambda meta: f"{meta['estimator']}-{meta.get('objective', 'final')}-{meta.get('truncation', STEPS)}",
)
def test_what_is_learned_does_not_depend_on_the_order_of_keys(meta, memory):
    expected, *found = (log_lr(rule, memory, **meta) for rule in (Learned(), Reversed(), Swapped()))
    assert found == [expected, expected]
    assert expected != -3


@pytest.mark.parametrize("estimator", ["backprop", "pes", "es"])
def test_what_is_learned_does_not_depend_on_the_order_of_theta(estimator):
    def update(grad, state, param, hparams, theta, info):
        return -theta["log_lr"].exp() * (grad + theta["decay"] * param), {}

    def learned(names):
        start = {"log_lr": torch.tensor(-3.0), "decay": torch.tensor(0.01)}
        training = metaopt.MetaTraining(
            init_theta=lambda params, generator, hparams: {name: start[name] for name in names},
            estimator=estimator,
            objective="trajectory",
            truncation=STEPS,
        )
        rule = metaopt.per_tensor(lambda param, hparams, theta, horizon: {}, update)
        spec = metaopt.OptimizerSpec(name=f"theta_{estimator}_{names[0]}", version="1", rule=rule, meta=training)
        small = {"num_steps": 2 * STEPS, "num_iterations": 6, "num_evaluated": 4, "num_validations": 1}
        task = dataclasses.replace(sinusoid_task(10), **small)
        return metaopt.meta_train(spec, [task], compile="off").recipe.theta

    names = ["log_lr", "decay"]
    one_way, the_other = learned(names), learned(names[::-1])
    assert {name: one_way[name].item() for name in names} == {name: the_other[name].item() for name in names}
