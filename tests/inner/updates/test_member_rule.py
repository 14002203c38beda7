"""A rule on several members gives the same bits in both forms, where a trial tells that it has both."""

import pytest
import torch

import metaopt
from metaopt.inner.updates.layout import cut_where_decay_ends, is_spared_part, joined_where_decay_ends
from metaopt.inner.updates.member_rule import BroadcastRule, MemberStep, VmappedRule, broadcasts
from metaopt.inner.updates.rule_step import MemberOptimizer, RuleGraphs
from metaopt.plugin.registry import current_registry
from metaopt.space import encode, resolve

HORIZON = torch.tensor(6.0)
COORDINATE = ("sgd", "adagrad", "rmsprop", "adamw", "nadamw", "lion", "schedulefree_adamw")


def rule_of(name, averaged):
    spec = current_registry().get(metaopt.OptimizerSpec, name)
    numbers = encode(spec.space, resolve(spec.space, {}, name))
    if not averaged:
        return spec.rule, numbers
    wrapper = current_registry().get(metaopt.WrapperSpec, "averaged")
    own = encode(wrapper.space, resolve(wrapper.space, {"kind": "polyak", "start": 0.3}, "averaged"))
    return wrapper.wrap(spec.rule), {**numbers, **{f"averaged.{key}": value for key, value in own.items()}}


@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize("name", COORDINATE)
def test_every_built_in_coordinate_rule_gives_the_same_bits_without_vmap(name, averaged):
    rule, numbers = rule_of(name, averaged)
    assert broadcasts(rule, tuple(numbers), {}, frozenset())
    hparams = {key: value * torch.tensor([1.0, 0.5, 0.9]) for key, value in numbers.items()}
    start, rates = torch.randn(3, 37), torch.tensor([0.1, 0.01, 0.0])
    forms = (BroadcastRule(rule), VmappedRule(rule, cut_where_decay_ends, joined_where_decay_ends, is_spared_part))
    params, ends = [{"w": start.clone()} for _ in forms], {"w": 20}
    optimizers = [
        MemberOptimizer(form, own, form.hparams(hparams, own, ends), ends, {}, HORIZON, "eager", RuleGraphs())
        for form, own in zip(forms, params, strict=True)
    ]
    for number in range(6):
        grad, step = torch.randn(3, 37), MemberStep(torch.tensor(float(number)), HORIZON, rates, None, {})
        for optimizer in optimizers:
            optimizer.step({"w": grad}, step)
    assert torch.equal(params[0]["w"], params[1]["w"])
    assert torch.equal(optimizers[0].evaluation_params()["w"], optimizers[1].evaluation_params()["w"])
    assert not torch.equal(params[0]["w"], start)


def normalised(grad, state, param, hparams, theta, info):
    """Looks at the whole tensor, which a coordinate rule must not; without vmap it would look at all members."""
    return -hparams["lr"] * grad / grad.abs().max(), state


def featured(grad, state, param, hparams, theta, info):
    """A small network over features of each number: right for a coordinate, but not written to broadcast."""
    features = torch.stack([grad, grad.sign(), state["mean"], hparams["lr"].expand_as(grad)], dim=-1)
    mean = 0.9 * state["mean"] + 0.1 * grad
    return -hparams["lr"] * torch.tanh(features * torch.arange(4.0)).sum(-1), {"mean": mean}


def flattened(grad, state, param, hparams, theta, info):
    return -hparams["lr"] * grad.reshape(-1).flip(0).flip(0).reshape(grad.shape[0]), state


def with_signals(grad, state, param, hparams, theta, info):
    return -hparams["lr"] * grad / (1 + info.signals["gradient_norm"]) * info.loss * info.fraction, state


@pytest.mark.parametrize(
    ("update", "expected"), [(normalised, False), (featured, None), (flattened, False), (with_signals, True)]
)
def test_a_trial_tells_which_rules_broadcast(update, expected):
    rule = metaopt.per_tensor(lambda param, *_: {"mean": torch.zeros_like(param)} if update is featured else {}, update)
    does = broadcasts(rule, ("lr",), {}, frozenset({"gradient_norm", "loss"}))
    assert expected is None or does is expected
