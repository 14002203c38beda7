"""Steps of members that share a rule, however they are run and however the rule fills its dicts."""

import dataclasses

import pytest
import torch

import metaopt
from metaopt.inner.updates.layout import cut_where_decay_ends, is_spared_part, joined_where_decay_ends
from metaopt.inner.updates.member_rule import BroadcastRule, MemberStep, VmappedRule
from metaopt.inner.updates.rule_step import MemberOptimizer, RuleGraphs

HORIZON = torch.tensor(6.0)
#: One for the tests of this file, so that a rule's graph meets what was made for others.
GRAPHS = RuleGraphs()


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


def trained(rule, mode, *, vmapped, swapped=False, graphs=None):
    cuts = (cut_where_decay_ends, joined_where_decay_ends, is_spared_part)
    start = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    params = {"w": start.clone(), "x": 2 * start}
    hparams, rates = {"lr": torch.tensor([1.0, 0.5, 0.9])}, torch.tensor([0.1, 0.01, 0.0])
    member_rule = VmappedRule(rule, *cuts) if vmapped else BroadcastRule(rule)
    ends = {"w": 4, "x": 8}
    own_hparams = member_rule.hparams(hparams, params, ends)
    optimizer = MemberOptimizer(
        member_rule, params, own_hparams, ends, {}, HORIZON, mode, GRAPHS if graphs is None else graphs
    )
    generator = torch.Generator().manual_seed(2)
    for step in range(4):
        grads = {"w": torch.randn(3, 8, generator=generator), "x": torch.randn(3, 8, generator=generator)}
        signals = {"metric": torch.ones(3), "gradient_norm": torch.zeros(3)}
        if swapped and step % 2:
            grads, signals = dict(reversed(grads.items())), dict(reversed(signals.items()))
        optimizer.step(grads, MemberStep(torch.tensor(float(step)), HORIZON, rates, None, signals))
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


def test_equal_rules_of_two_populations_share_a_graph():
    @dataclasses.dataclass(frozen=True)
    class Equal(Base):
        """A rule that is equal to another one of its class."""

    graphs = RuleGraphs()
    first, second = (trained(Equal(), "replayed", vmapped=False, graphs=graphs) for _ in range(2))
    assert len(graphs) == 1
    torch.testing.assert_close(first, second, rtol=0.0, atol=0.0)
    trained(Base(), "replayed", vmapped=False, graphs=graphs)
    assert len(graphs) == 2


def test_the_graph_unused_for_longest_is_dropped():
    graphs = RuleGraphs()
    made = []

    def get(key):
        return graphs.get(key, lambda: made.append(key) or key)

    for key in range(RuleGraphs.MOST):
        get(key)
    get(0)  # used again
    get("one more")
    assert len(graphs) == RuleGraphs.MOST
    made.clear()
    assert [get(0), get(1)] == [0, 1]
    assert made == [1]


def test_what_has_no_hash_is_made_each_time():
    graphs = RuleGraphs()
    assert [graphs.get([1], lambda: 7), graphs.get([1], lambda: 8)] == [7, 8]
    assert len(graphs) == 0


@pytest.mark.parametrize("mode", ["eager", "replayed"])
def test_members_that_are_put_back_are_where_they_were(mode):
    params = {"w": torch.randn(3, 8, generator=torch.Generator().manual_seed(1))}
    hparams, rates = {"lr": torch.tensor([1.0, 0.5, 0.9])}, torch.tensor([0.1, 0.01, 0.2])
    rule, ends = BroadcastRule(Base()), {"w": 8}
    own_hparams = rule.hparams(hparams, params, ends)
    optimizer = MemberOptimizer(rule, params, own_hparams, ends, {}, HORIZON, mode, RuleGraphs())
    step = MemberStep(torch.tensor(0.0), HORIZON, rates, None, {})
    optimizer.step({"w": torch.ones(3, 8)}, step)
    rows, first = torch.tensor([0, 2]), params["w"].clone()
    before = optimizer.members(rows)
    optimizer.step({"w": torch.ones(3, 8)}, step)
    assert not torch.equal(params["w"][1], first[1])
    optimizer.put_back(rows, before)
    assert torch.equal(params["w"][rows], first[rows])
    for tensor, expected in zip(optimizer.members(rows), before, strict=True):
        assert torch.equal(tensor, expected)
