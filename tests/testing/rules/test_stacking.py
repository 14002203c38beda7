"""Populations are stacked and taken apart, and what vmap could not do is explained."""

import pytest
import torch

from metaopt.testing.rules.stacking import explain, stacked, unstacked

WRITES = "It writes in place (such as add_, copy_ or out=) to a tensor that has no population axis; compute a new"


def member(number):
    return {"params": {"w": torch.full((2,), number)}, "loss": torch.tensor(number)}


def test_members_get_a_leading_axis():
    population = stacked([member(1.0), member(2.0), member(3.0)])
    assert population["params"]["w"].tolist() == [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    assert population["loss"].tolist() == [1.0, 2.0, 3.0]


def test_lists_are_stacked_place_by_place():
    first, second = stacked([[torch.tensor(1.0), torch.tensor(2.0)], [torch.tensor(3.0), torch.tensor(4.0)]])
    assert first.tolist() == [1.0, 3.0]
    assert second.tolist() == [2.0, 4.0]


def test_lists_of_different_lengths_are_no_population():
    with pytest.raises(ValueError, match="shorter"):
        stacked([[torch.tensor(1.0), torch.tensor(2.0)], [torch.tensor(3.0)]])


def test_one_member_is_what_was_stacked():
    again = unstacked(stacked([member(1.0), member(2.0)]), 1)
    assert again["params"]["w"].tolist() == [2.0, 2.0]
    assert again["loss"].item() == 2.0


@pytest.mark.parametrize(
    ("function", "explanation"),
    [
        (lambda value: value if value > 0 else -value, "It decides by Python"),
        (lambda value: torch.tensor(value.item()), "It reads a tensor's value"),
        (lambda value: torch.tensor(value.tolist()), "It reads a tensor's value"),
        (lambda value: torch.zeros(()).add_(value), WRITES),
        (lambda value: torch.zeros(()).mul_(value), WRITES),
        (lambda value: torch.zeros(()).fill_(value), WRITES),
        (lambda value: torch.zeros(2).masked_fill_(torch.tensor([True, False]), value), WRITES),
        (lambda value: torch.zeros(2).index_put_((torch.tensor(0),), value), WRITES),
        (lambda value: torch.maximum(value, value, out=torch.zeros(())), WRITES),
        (lambda value: value.nonzero(), "The shape of what it computes depends on values"),
        (lambda value: value + torch.rand(()), "It draws random numbers"),
    ],
)
def test_an_error_of_vmap_is_explained(function, explanation):
    with pytest.raises(RuntimeError) as raised:
        torch.vmap(function)(torch.tensor([1.0, -1.0]))
    assert explain(raised.value).startswith(explanation)


def test_an_unknown_error_of_vmap_is_quoted():
    assert explain(RuntimeError("no batching rule\nstack")) == "It cannot run under torch.vmap: no batching rule"
