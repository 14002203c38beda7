"""Several rules as one: each tensor is stepped by its own, and nothing else changes."""

from types import SimpleNamespace

import pytest
import torch

import metaopt
from metaopt import StepInfo
from metaopt.contracts import CompositeRule
from metaopt.plugin.registry import current_registry
from metaopt.space import defaults, encode


def spec(name):
    return current_registry().get(metaopt.OptimizerSpec, name)


def hparams(name):
    own = encode(spec(name).space, defaults(spec(name).space))
    return {key: torch.tensor(value, dtype=torch.float64) for key, value in own.items()}


PARTS = (("adamw", "adamw"), ("prodigy", "prodigy"), ("lion", "lion"))


def composite():
    parts = tuple((part, spec(name).rule) for part, name in PARTS)
    return CompositeRule(parts, (("v", "prodigy"), ("w", "prodigy"), ("z", "lion")))


def trained(rule, names, own, steps=5):
    generator = torch.Generator().manual_seed(0)
    starts = {name: torch.randn(3, 2, generator=generator, dtype=torch.float64) for name in "uvwz"}
    params = {name: starts[name] for name in names}
    values = {name: own[name] for name in names}
    state = rule.init(params, values, {}, None)
    for step in range(steps):
        grads = {name: torch.randn(3, 2, generator=generator, dtype=torch.float64) for name in "uvwz"}
        grads = {name: grads[name] for name in names if not (name == "z" and step == 2)}
        updates, state = rule.update(grads, state, params, values, {}, StepInfo(step=torch.tensor(float(step))))
        params = {name: value + updates[name] if name in updates else value for name, value in params.items()}
    return params, state


def test_each_tensor_is_stepped_as_by_its_own_rule_alone():
    own = {"u": hparams("adamw"), "v": hparams("prodigy"), "w": hparams("prodigy"), "z": hparams("lion")}
    together, state = trained(composite(), "uvwz", own)
    for name, names in (("adamw", "u"), ("prodigy", "vw"), ("lion", "z")):
        alone, alone_state = trained(spec(name).rule, names, own)
        for tensor in names:
            assert torch.equal(together[tensor], alone[tensor]), tensor
            assert state["tensors"][tensor].keys() == alone_state["tensors"][tensor].keys()
        assert {key for key in state["shared"] if key.startswith(f"{name}.")} == {
            f"{name}.{key}" for key in alone_state["shared"]
        }


@pytest.mark.parametrize(
    ("kinds", "granularity"),
    [
        (["coordinate", "coordinate"], "coordinate"),
        (["coordinate", "sums"], "sums"),
        (["coordinate", "tensor"], "tensor"),
        (["tensor", "sums"], "tree"),
        (["coordinate", "tree"], "tree"),
    ],
)
def test_its_granularity_is_the_coarsest_that_is_right(kinds, granularity):
    parts = tuple((str(place), SimpleNamespace(granularity=kind)) for place, kind in enumerate(kinds))
    assert CompositeRule(parts).granularity == granularity


def test_a_part_without_tensors_keeps_its_shared_state():
    rule = composite()
    params = {"u": torch.zeros(2)}
    state = rule.init(params, {"u": hparams("adamw")}, {}, None)
    _, new = rule.update(params, state, params, {"u": hparams("adamw")}, {}, StepInfo(step=torch.tensor(0.0)))
    assert new["shared"].keys() == state["shared"].keys()
    assert set(new["tensors"]) == {"u"}


def test_evaluation_params_are_those_of_the_parts_in_the_given_order():
    averaging = spec("schedulefree_adamw")
    rule = CompositeRule((("plain", spec("sgd").rule), ("free", averaging.rule)), (("v", "free"),))
    own = {"v": hparams("schedulefree_adamw"), "u": hparams("sgd")}
    params, state = trained(rule, "uv", own)
    evaluated = rule.evaluation_params(params, state, own)
    assert list(evaluated) == ["u", "v"]
    assert torch.equal(evaluated["u"], params["u"])
    assert not torch.equal(evaluated["v"], params["v"])
