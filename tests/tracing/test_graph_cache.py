"""Whatever a function is called with, the graph that answers was made for it."""

import dataclasses
from collections import OrderedDict

import pytest
import torch

import metaopt
from metaopt.inner.updates.layout import cut_where_decay_ends, is_spared_part, joined_where_decay_ends
from metaopt.inner.updates.member_rule import Now, Vmapped, Wide
from metaopt.inner.updates.rule_step import Update
from metaopt.tracing.graph_cache import GraphCache

HORIZON = torch.tensor(6.0)
M, V = torch.tensor([3.0, 1.0]), torch.tensor([1.0, 4.0])


def minus(named):
    return {"difference": named["m"] - named["v"], "sum": named["m"] + named["v"]}


@pytest.mark.parametrize("mode", ["replayed", "compiled"])
def test_a_dict_is_looked_up_by_key_in_whatever_order_it_was_filled(mode):
    cache = GraphCache()
    for named in ({"m": M, "v": V}, {"v": V, "m": M}, OrderedDict(v=V, m=M), {"m": V, "v": M}):
        found = cache.run(minus, mode, (named,), ())
        assert found.keys() == {"difference", "sum"}
        assert torch.equal(found["difference"], named["m"] - named["v"])


def test_trees_with_the_same_tensors_in_a_row_are_told_apart():
    def first(tree):
        return tree[0] if isinstance(tree[0], torch.Tensor) else sum(tree[0])

    def named(tree):
        return sum(index * tree[name] for index, name in enumerate(sorted(tree)))

    cache = GraphCache()
    assert torch.equal(cache.run(first, "replayed", ((M, V, V),), ()), M)
    assert torch.equal(cache.run(first, "replayed", (((M, V), V),), ()), M + V)
    assert torch.equal(cache.run(named, "replayed", ({"a": M, "b": V},), ()), V)
    assert torch.equal(cache.run(named, "replayed", ({"a": M, "": V},), ()), M)


def test_functions_of_one_name_have_graphs_of_their_own():
    def scaled_by(factor):
        def scaled(tensor):
            return factor * tensor

        return scaled

    cache = GraphCache()
    for function, expected in ((scaled_by(2), 2), (scaled_by(3), 3), (lambda x: 4 * x, 4), (lambda x: 5 * x, 5)):
        assert torch.equal(cache.run(function, "replayed", (M,), ()), expected * M)


def test_settings_that_are_equal_numbers_of_other_kinds_are_told_apart():
    def chosen(tensor, setting):
        return -tensor if setting is True else setting * tensor

    cache = GraphCache()
    assert [float(cache.run(chosen, "replayed", (M,), (setting,))[0]) for setting in (True, 1, True)] == [-3, 3, -3]


@pytest.mark.parametrize("mode", ["replayed", "compiled"])
def test_tensors_of_other_strides_are_read_right(mode):
    def rows(matrix):
        return matrix.reshape(-1) * torch.arange(6.0)

    cache, matrix = GraphCache(), torch.randn(2, 3)
    for given in (matrix, matrix.T.contiguous().T, matrix[:1].expand(2, 3)):
        assert torch.equal(cache.run(rows, mode, (given,), ()), rows(given))


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
