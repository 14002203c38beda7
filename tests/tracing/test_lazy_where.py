"""The function of `lazy_where` runs where the condition holds and nowhere else, whatever is done with the whole."""

import shutil

import pytest
import torch

import metaopt
from metaopt import PluginError
from metaopt.tracing import lazy_where, replayed
from metaopt.tracing.compiled_graphs import compiled

RUNS = []


def scaled(operands, factor):
    RUNS.append(operands[0].shape)
    return [operand * factor for operand in operands]


def shrinking(operands):
    return [operand[:1] for operand in operands]


def looking(operands):
    return [operand if bool(operand.sum() > 0) else -operand for operand in operands]


def twice(operands, condition, factor):
    return lazy_where(condition, scaled, operands, factor)


@pytest.fixture(autouse=True)
def _no_runs():
    RUNS.clear()


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("holds", [True, False])
def test_it_is_where_and_runs_only_if_it_must(holds):
    first, second, factor = numbers(3), numbers(2, 2).double(), torch.tensor(2.0)
    new = lazy_where(torch.tensor(holds), scaled, [first, second], factor)
    for value, operand in zip(new, (first, second), strict=True):
        assert torch.equal(value, torch.where(torch.tensor(holds), operand * 2, operand))
        assert value.dtype == operand.dtype
        assert value.data_ptr() != operand.data_ptr()
    assert len(RUNS) == holds


def test_under_vmap_it_runs_for_the_members_that_need_it():
    operand, factors = numbers(4, 3), torch.arange(4.0)
    condition = torch.tensor([True, False, False, True])
    (new,) = torch.vmap(lambda *each: lazy_where(each[0], scaled, [each[1]], each[2]))(condition, operand, factors)
    assert torch.equal(new, torch.where(condition[:, None], operand * factors[:, None], operand))
    assert RUNS == [(3,), (3,)]


def test_levels_of_vmap_may_have_different_tensors_in_common():
    operand, factor, condition = numbers(3, 2, 5), torch.tensor([2.0, 3.0]), torch.tensor([True, False, True])

    def inner(condition, operand, factor):
        return lazy_where(condition, scaled, [operand], factor)[0]

    shared = torch.vmap(inner, in_dims=(None, 0, 0))
    new = torch.vmap(shared, in_dims=(0, 0, None))(condition, operand, factor)
    assert torch.equal(new, torch.where(condition[:, None, None], operand * factor[None, :, None], operand))


def test_the_function_may_ask_again():
    operand, outer, inner = numbers(4, 3), torch.tensor([1, 1, 0, 0]) > 0, torch.tensor([1, 0, 1, 0]) > 0

    def both(operand, outer, inner):
        return lazy_where(outer, twice, [operand], inner, torch.tensor(2.0))[0]

    new = torch.vmap(both)(operand, outer, inner)
    assert torch.equal(new, torch.where((outer & inner)[:, None], operand * 2, operand))


def test_derivatives_pass_where_nothing_ran_and_end_where_it_did():
    def total(operand, condition):
        return (lazy_where(condition, scaled, [operand.square()], torch.tensor(2.0))[0] * operand).sum()

    operand = numbers(3)
    gradient = torch.func.grad(total)
    torch.testing.assert_close(gradient(operand, torch.tensor(False)), 3 * operand.square())
    torch.testing.assert_close(gradient(operand, torch.tensor(True)), 2 * operand.square())
    both = torch.vmap(gradient, in_dims=(None, 0))(operand, torch.tensor([False, True]))
    torch.testing.assert_close(both, torch.stack([3 * operand.square(), 2 * operand.square()]))
    required = operand.clone().requires_grad_()
    total(required, torch.tensor(True)).backward()
    torch.testing.assert_close(required.grad, 2 * operand.square())


def members(condition, operand):
    new = torch.vmap(lambda *each: lazy_where(each[0] > 0, twice, [each[1] + 1], each[0] > 0, torch.tensor(3.0)))
    return [new(condition, operand)[0] - 1]


@pytest.mark.parametrize("first", [0.0, 1.0])
def test_a_recording_looks_at_the_condition_at_each_repetition(first):
    operand = numbers(2, 3)
    repeated = replayed(members, torch.tensor([first, first]), operand)
    assert repeated is not members
    for condition in (torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.0])):
        RUNS.clear()
        (found,) = repeated(condition, operand)
        assert torch.equal(found, members(condition, operand)[0])
        assert len(RUNS) == 2 * int(condition.sum())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, on import of its compiler
def test_a_compiled_graph_looks_at_the_condition_at_each_repetition():
    operand = numbers(2, 3)
    graph = compiled(members, torch.zeros(2), operand)
    for condition in (torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.0])):
        torch.testing.assert_close(graph(condition, operand)[0], members(condition, operand)[0])


@pytest.mark.parametrize("function", [lambda operands: operands, "scaled"], ids=["lambda", "string"])
def test_a_function_that_cannot_be_named_is_refused(function):
    sentence = (
        r"lazy_where: the function must be defined with def at the top level of a module, got .*; hand it tensors"
    )
    with pytest.raises(PluginError, match=sentence):
        lazy_where(torch.tensor(True), function, [torch.ones(2)])


def test_what_the_function_returns_must_be_like_its_operands():
    sentence = (
        r"lazy_where: .*shrinking must return a list of tensors, of its operands' shapes and dtypes, got \[tensor"
    )
    with pytest.raises(PluginError, match=sentence):
        lazy_where(torch.tensor(True), shrinking, [torch.ones(2)])
    with pytest.raises(PluginError, match=sentence):
        torch.vmap(lambda operand: lazy_where(torch.tensor(True), shrinking, [operand]))(torch.ones(3, 2))


def test_the_function_may_look_at_values():
    (new,) = torch.vmap(lambda operand: lazy_where(torch.tensor(True), looking, [operand]))(torch.tensor([-3.0, 2.0]))
    assert new.tolist() == [3.0, 2.0]


def test_it_has_a_public_name():
    assert metaopt.lazy_where is lazy_where
