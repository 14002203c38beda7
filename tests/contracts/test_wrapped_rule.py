"""A wrapper's state lies beside that of the rule inside it."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

import metaopt
from metaopt.contracts import WrappedRule

PARAMS = {"w": torch.tensor([1.0, 2.0])}
HPARAMS = {"w": {"lr": torch.tensor(0.5)}}
INNER = metaopt.per_tensor(
    init=lambda param, hparams, theta, horizon: {"momentum": 2 * param},
    update=lambda grad, state, param, hparams, theta, info: (-grad, state),
    evaluation=lambda param, state, hparams: param + state["momentum"],
    shared=(lambda theta, horizon: {"count": torch.zeros(())}, lambda state, theta, info: ({}, state)),
    granularity="tensor",
)


@dataclass(frozen=True)
class Counted(WrappedRule):
    """Remembers where each tensor began, and how many there are."""

    prefix: ClassVar[str] = "counted."

    def own_state(self, params, hparams):
        tensors = {name: {"start": param.clone()} for name, param in params.items()}
        return {"tensors": tensors, "shared": {"tensors": torch.tensor(len(params))}}

    def update(self, grads, state, params, hparams, theta, info):
        inner, own = self.split(state)
        updates, inner = self.inner.update(grads, inner, params, hparams, theta, info)
        return updates, self.joined(inner, own)


def test_its_keys_begin_with_its_prefix():
    state = Counted(INNER).init(PARAMS, HPARAMS, {}, None)
    assert state["tensors"]["w"].keys() == {"momentum", "counted.start"}
    assert state["shared"].keys() == {"count", "counted.tensors"}
    assert state["tensors"]["w"]["momentum"].tolist() == [2.0, 4.0]
    assert state["tensors"]["w"]["counted.start"].tolist() == [1.0, 2.0]


def test_split_parts_what_joined_puts_together():
    wrapped = Counted(INNER)
    inner, own = INNER.init(PARAMS, HPARAMS, {}, None), wrapped.own_state(PARAMS, HPARAMS)
    assert wrapped.split(wrapped.joined(inner, own)) == (inner, own)


def test_wrappers_around_each_other_keep_their_states_apart():
    @dataclass(frozen=True)
    class Outer(Counted):
        prefix: ClassVar[str] = "outer."

    nested = Outer(Counted(INNER))
    state = nested.init(PARAMS, HPARAMS, {}, None)
    inner, own = nested.split(state)
    assert state["tensors"]["w"].keys() == {"momentum", "counted.start", "outer.start"}
    assert inner["tensors"]["w"].keys() == {"momentum", "counted.start"}
    assert own["tensors"]["w"].keys() == {"start"}


def test_granularity_and_evaluation_are_those_of_the_inner_rule():
    wrapped = Counted(INNER)
    assert wrapped.granularity == "tensor"
    evaluated = wrapped.evaluation_params(PARAMS, wrapped.init(PARAMS, HPARAMS, {}, None), HPARAMS)
    assert evaluated["w"].tolist() == [3.0, 6.0]


def test_the_learned_start_is_that_of_the_inner_rule():
    class Started(metaopt.Rule):
        granularity = "tree"

        def start(self, params, theta):
            return {name: theta[name] for name in params}

    start = Counted(Started()).start(PARAMS, {"w": torch.tensor([7.0, 8.0])})
    assert start["w"].tolist() == [7.0, 8.0]


def test_a_wrapper_that_remembers_nothing_adds_no_keys():
    class Plain(WrappedRule):
        prefix = "plain."

    state = Plain(INNER).init(PARAMS, HPARAMS, {}, None)
    assert state["tensors"]["w"].keys() == {"momentum"}
    assert state["shared"].keys() == {"count"}


def test_without_a_prefix_nothing_tells_the_states_apart():
    class Nameless(WrappedRule):
        pass

    with pytest.raises(metaopt.PluginError, match="Nameless has no prefix"):
        Nameless(INNER).split({"tensors": {}, "shared": {}})
