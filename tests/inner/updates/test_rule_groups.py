"""Rules reach a population in one of two forms; whichever it is, the numbers are those of the rule on each member."""

import numpy as np
import pytest
import torch

import metaopt
from metaopt.configuration.configuration import Configuration, assemble
from metaopt.inner import Member, train
from metaopt.inner.updates.broadcasting import broadcasts
from metaopt.inner.updates.layout import Layout, cut_where_decay_ends, is_spared_part, joined_where_decay_ends
from metaopt.inner.updates.member_rule import Now, Vmapped, Wide
from metaopt.inner.updates.rule_groups import RuleGroup, form_of
from metaopt.inner.updates.rule_step import Update
from metaopt.plugin.registry import Registry, current_registry
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
    forms = (Wide(rule), Vmapped(rule, cut_where_decay_ends, joined_where_decay_ends, is_spared_part))
    params = [{"w": start.clone()} for _ in forms]
    updates = [
        Update(form, own, hparams, {"w": 20}, {}, HORIZON, "eager") for form, own in zip(forms, params, strict=True)
    ]
    for step in range(6):
        grad, now = torch.randn(3, 37), Now(torch.tensor(float(step)), HORIZON, rates, None, {})
        for update in updates:
            update.step({"w": grad}, now)
    assert torch.equal(params[0]["w"], params[1]["w"])
    assert torch.equal(updates[0].evaluation_params()["w"], updates[1].evaluation_params()["w"])
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
    found = broadcasts(rule, ("lr",), {}, frozenset({"gradient_norm", "loss"}))
    assert expected is None or found is expected


@pytest.mark.parametrize("update", [normalised, featured, flattened, with_signals])
def test_whatever_form_is_taken_each_member_is_updated_as_if_it_were_alone(task, update):
    init = (lambda param, *_: {"mean": torch.zeros_like(param)}) if update is featured else (lambda *_: {})
    spec = metaopt.OptimizerSpec(
        name="mine",
        version="1",
        rule=metaopt.per_tensor(init, update, granularity="tensor" if update is normalised else "coordinate"),
        space={"lr": metaopt.Float(1e-3, 1.0, log=True, default=0.1)},
        requires=frozenset({"gradient_norm", "loss"}) if update is with_signals else frozenset(),
    )
    registry = Registry()
    registry.register(spec)
    registry.register(current_registry().get(metaopt.ControllerSpec, "constant"))
    digits = task(num_steps=6, num_validations=3)
    rates = (0.01, 0.1, 0.5)
    members = [Member(assemble(Configuration("mine", hparams={"mine.lr": rate}), registry), 0) for rate in rates]
    for one, result in zip(members, train(digits, members), strict=True):
        alone = train(digits, [one], engine="loop")[0]
        np.testing.assert_allclose(result.curve.values, alone.curve.values, rtol=1e-8)


def test_weight_decay_reaches_matrices_alone_in_both_forms(member, task):
    digits = task(num_steps=1, num_validations=1)
    module = digits.build(0)
    layout = Layout(module)
    for name in ("sgd", "prodigy"):
        flats = layout.stack([dict(module.named_parameters())] * 2)
        before = {key: value.clone() for key, value in layout.split(flats).items()}
        members = [member(name, **{f"{name}__weight_decay": value, f"{name}__lr": 0.5}) for value in (0.0, 0.1)]
        form = form_of(members[0].assembly, layout, {})
        group = RuleGroup(members, layout, flats, 0, HORIZON, {}, form, "eager")
        still = {key: torch.full_like(value, 1e-3) for key, value in flats.items()}
        group.step(still, torch.full((2,), 0.5), torch.zeros(2), {}, torch.tensor(0.0), HORIZON)
        after = layout.split(flats)
        moved = {key: after[key][1] - after[key][0] for key in after}
        assert moved["0.bias"].abs().max() == moved["2.bias"].abs().max() == 0, name
        assert (torch.sign(moved["0.weight"]) == -torch.sign(before["0.weight"][0])).double().mean() > 0.9, name
