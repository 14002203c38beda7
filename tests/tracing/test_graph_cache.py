"""Whatever a function is called with, the graph that answers was made for it."""

from collections import OrderedDict

import pytest
import torch

from metaopt.tracing.graph_cache import GraphCache

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
