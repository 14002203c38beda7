"""Steps of members that share a rule, however they are run and however the rule fills its dicts."""

import dataclasses

import pytest
import torch

import metaopt
from metaopt.inner.updates.layout import cut_where_decay_ends, is_spared_part, joined_where_decay_ends
from metaopt.inner.updates.member_rule import Now, Vmapped, Wide
from metaopt.inner.updates.rule_step import Update

HORIZON = torch.tensor(6.0)


class Base(metaopt.Rule):
    granularity = "coordinate"

    def init(self, params, hparams, theta, horizon):
        own = {name: {"m": torch.zeros_like(param), "v": torch.ones_like(param)} for name, param in params.items()}
        return {"tensors": own, "shared": {"a": torch.zeros(()), "b": torch.ones(())}}

    def update(self, grads, state, params, hparams, theta, info):
        updates, tensors = {}, {}
        for name, grad in grads.items():
            own = state["tensors"][name]
            m, v = 0.9 * own["m"] + grad, 0.9 * own["v"] + grad * grad
            updates[name] = -hparams[name]["lr"] * m / v.sqrt() * (1 + state["shared"]["b"])
            tensors[name] = {"m": m, "v": v}
        shared = {"a": state["shared"]["a"] + 1, "b": state["shared"]["b"] / 2}
        return self.filled(updates), self.filled({"tensors": tensors, "shared": shared})

    def filled(self, tree):
        return tree


class Reversed(Base):
    """The same rule, which fills every dict the other way round."""

    def filled(self, tree):
        return {key: self.filled(part) for key, part in reversed(tree.items())} if isinstance(tree, dict) else tree


@dataclasses.dataclass(frozen=True)
class Listed(Base):
    """The same rule, which holds a list, so that nothing can be found by it."""

    settings: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Unhashable(Base):
    """The same rule as a dataclass with an equality and no hash."""


def trained(rule, mode, *, vmapped, swapped=False):
    cuts = (cut_where_decay_ends, joined_where_decay_ends, is_spared_part)
    start = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    params = {"w": start.clone(), "x": 2 * start}
    hparams, rates = {"lr": torch.tensor([1.0, 0.5, 0.9])}, torch.tensor([0.1, 0.01, 0.0])
    form = Vmapped(rule, *cuts) if vmapped else Wide(rule)
    update = Update(form, params, hparams, {"w": 4, "x": 8}, {}, HORIZON, mode)
    generator = torch.Generator().manual_seed(2)
    for step in range(4):
        grads = {"w": torch.randn(3, 8, generator=generator), "x": torch.randn(3, 8, generator=generator)}
        signals = {"metric": torch.ones(3), "gradient_norm": torch.zeros(3)}
        if swapped and step % 2:
            grads, signals = dict(reversed(grads.items())), dict(reversed(signals.items()))
        update.step(grads, Now(torch.tensor(float(step)), HORIZON, rates, None, signals))
    return params


@pytest.mark.parametrize(
    ("vmapped", "mode"),
    [(False, "eager"), (True, "eager"), (False, "replayed"), (True, "replayed"), (False, "compiled")],
)
def test_a_population_does_not_care_in_which_order_a_rule_fills_its_dicts(vmapped, mode):
    expected = trained(Base(), "eager", vmapped=vmapped)
    for rule in (Reversed(),) if mode == "compiled" else (Base(), Reversed()):
        torch.testing.assert_close(trained(rule, mode, vmapped=vmapped, swapped=mode == "replayed"), expected)


@pytest.mark.parametrize("mode", ["eager", "replayed", "compiled"])
@pytest.mark.parametrize("rule", [Listed(), Unhashable()], ids=["a list inside", "no hash"])
def test_a_rule_that_has_no_hash_is_trained_like_any_other(rule, mode):
    torch.testing.assert_close(trained(rule, mode, vmapped=False), trained(Base(), "eager", vmapped=False))


def test_a_state_with_other_keys_is_refused_by_name():
    class Other(Base):
        def filled(self, tree):
            return (
                {"mom" if key == "m" else key: self.filled(part) for key, part in tree.items()}
                if isinstance(tree, dict)
                else tree
            )

    with pytest.raises(metaopt.PluginError, match=r"update returned the state keys \{mom, v\}, init made \{m, v\}"):
        trained(Other(), "replayed", vmapped=True)
