"""A function written down while it runs once does the same ever after."""

import pytest
import torch
import torch.nn.functional as F
from torch.func import grad_and_value

from metaopt.tracing.recording import Recorder
from metaopt.tracing.straight_line import merged, needed, replayed


def loss(weights, inputs, targets):
    return F.cross_entropy(torch.tanh(inputs @ weights), targets)


def gradients(weights, inputs, targets):
    grads, losses = torch.vmap(grad_and_value(loss), in_dims=(0, None, None))(weights, inputs, targets)
    return [grads, losses]


def test_a_vmapped_gradient_is_repeated_on_other_numbers():
    generator = torch.Generator().manual_seed(0)
    first, other = (
        (torch.randn(3, 5, 20, generator=generator), torch.randn(7, 5, generator=generator), torch.arange(7) + shift)
        for shift in (0, 9)
    )
    repeated = replayed(gradients, *first)
    assert repeated is not gradients
    for expected, found in zip(gradients(*other), repeated(*other), strict=True):
        assert torch.equal(expected, found)


def test_constants_writes_in_place_and_operations_with_several_results_are_repeated():
    scale = torch.tensor([2.0, 3.0])

    def function(tensor):
        sums = torch.zeros_like(tensor)
        sums[0] += tensor[0] * scale
        values, places = tensor.max(dim=0)
        torch.exp(tensor)  # leads nowhere
        return [sums, values * float("inf"), places, tensor]

    repeated = replayed(function, torch.zeros(2, 2))
    given = torch.tensor([[1.0, -2.0], [4.0, -1.0]])
    for expected, found in zip(function(given), repeated(given), strict=True):
        assert torch.equal(expected, found)
    assert torch.equal(given, torch.tensor([[1.0, -2.0], [4.0, -1.0]]))


def test_one_tensor_in_two_places_may_be_two_the_next_time():
    same, other = torch.ones(2), torch.full((2,), 5.0)
    repeated = replayed(lambda first, second: [first - second], same, same)
    assert torch.equal(repeated(other, same)[0], torch.full((2,), 4.0))


def test_views_of_one_tensor_in_two_places_may_be_two_the_next_time():
    same, other = torch.ones(2, 3), torch.full((2, 3), 5.0)
    repeated = replayed(lambda first, second: [first.t().t() - second.t().t(), second.t()], same, same)
    difference, turned = repeated(other, same)
    assert torch.equal(difference, torch.full((2, 3), 4.0))
    assert torch.equal(turned, same.t())


def count_calls(function, *examples):
    """How many operations are left of a function."""
    recorder = Recorder(list(examples), {})
    with recorder:
        results = function(*examples)
    calls, outputs = merged(recorder.calls, [recorder.slot(result) for result in results])
    return len(needed(calls, outputs))


def test_what_is_there_already_is_not_made_again():
    def function(tensor):
        views = tensor.expand(2, 3).reshape(2, 3).t().t()
        return [views.exp() + tensor.exp(), tensor.exp() * 2, tensor.exp() * 2.0]

    assert count_calls(function, torch.ones(2, 3)) == 4, "one exp, one sum, and two products by numbers of two types"
    for expected, found in zip(
        function(torch.full((2, 3), 0.5)), replayed(function, torch.ones(2, 3))(torch.full((2, 3), 0.5)), strict=True
    ):
        assert torch.equal(expected, found)


def test_what_is_drawn_or_written_in_between_is_made_again():
    def drawn(tensor):
        return [torch.rand_like(tensor) - torch.rand_like(tensor)]

    assert replayed(drawn, torch.ones(50))(torch.ones(50))[0].abs().max() > 0

    def written(tensor):
        copy = tensor.clone()
        before = copy.exp()
        copy.mul_(2)
        return [before, copy.exp()]

    before, after = replayed(written, torch.ones(2))(torch.ones(2))
    assert torch.equal(before, torch.ones(2).exp())
    assert torch.equal(after, torch.full((2,), 2.0).exp())


@pytest.mark.parametrize("read", [lambda tensor: tensor.sum().item() > 0, lambda tensor: bool(tensor.nonzero().any())])
def test_what_depends_on_values_is_not_repeated(read):
    def function(tensor):
        return [tensor if read(tensor) else -tensor]

    assert replayed(function, torch.ones(2)) is function
