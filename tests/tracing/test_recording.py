"""What is written down of a function while it runs."""

import pytest
import torch

from metaopt.tracing import replayed
from metaopt.tracing.recording import REPLACEMENTS, SHORT, NotRecordableError, Recorder, with_dtype

aten = torch.ops.aten


def recorded(function, *inputs, replacements=None):
    recorder = Recorder(inputs, replacements or {})
    with recorder:
        results = function(*inputs)
    return recorder, results


def test_operations_are_noted_in_their_order_with_the_slots_of_their_tensors():
    recorder, result = recorded(lambda x, y: (x + y).exp(), torch.ones(2), torch.ones(2))
    addition, exponential = recorder.calls
    assert [addition.function, exponential.function] == [aten.add.Tensor._op, aten.exp.default._op]
    assert addition.args == tuple(recorder.inputs)
    assert exponential.args == (addition.slots,)
    assert recorder.slot(result) == exponential.slots


def test_a_tensor_that_was_never_seen_is_a_constant():
    constant = torch.ones(2)
    recorder, _ = recorded(lambda x: x * constant, torch.ones(2))
    assert [tensor is constant for tensor in recorder.constants.values()] == [True]


def test_writing_in_place_and_drawing_are_marked():
    recorder, _ = recorded(lambda x: x.clone().add_(torch.rand_like(x)), torch.ones(2))
    assert [(call.mutates, call.random) for call in recorder.calls] == [(False, False), (False, True), (True, False)]


def test_an_operation_with_several_results_has_a_slot_for_each():
    recorder, (values, places) = recorded(lambda x: x.max(dim=0), torch.ones(2, 3))
    assert recorder.calls[-1].slots == (recorder.slot(values), recorder.slot(places))


@pytest.mark.parametrize("read", [lambda x: x.sum().item(), lambda x: x.nonzero()])
def test_what_reads_values_cannot_be_recorded(read):
    with pytest.raises(NotRecordableError, match="reads tensors' values"):
        recorded(read, torch.ones(2))


def test_a_factory_keeps_its_dtype_whatever_the_default_is_later():
    recorder, _ = recorded(lambda x: x + torch.zeros(2), torch.ones(2))
    assert recorder.calls[0].kwargs["dtype"] == torch.float32
    assert with_dtype(aten.exp.default, [torch.ones(2)], {}, torch.ones(2)) == {}


@pytest.mark.parametrize("width", [SHORT - 1, SHORT])
@pytest.mark.parametrize("function", [torch.softmax, torch.log_softmax], ids=lambda function: function.__name__)
def test_a_softmax_over_few_classes_is_the_same_done_across_rows(function, width):
    logits = torch.randn(4, 3, width, generator=torch.Generator().manual_seed(0)).requires_grad_()

    def gradient(logits):
        return torch.autograd.grad(function(logits, -1).square().sum(), logits)[0]

    recorder = Recorder([logits], REPLACEMENTS)
    with recorder:
        gradient(logits)
    operation = {torch.softmax: aten._softmax, torch.log_softmax: aten._log_softmax}[function]
    forward = REPLACEMENTS[operation.default]
    assert forward in [call.function for call in recorder.calls]
    torch.testing.assert_close(forward(logits, -1, False), function(logits, -1))


def test_a_tensor_that_is_given_another_shape_in_place_is_not_taken_for_what_it_was():
    """vmap squeezes the result of a product in place, and the next one unsqueezes it again."""

    def quadratic(matrices):
        def single(matrix):
            weights = torch.softmax(matrix[0], 0)
            return weights @ matrix @ weights

        return [torch.vmap(single)(matrices)]

    first, second = torch.randn(2, 3, 4, 4)
    graph = replayed(quadratic, first)
    assert torch.allclose(graph(second)[0], quadratic(second)[0], atol=1e-5)
