"""A function of tensors of fixed shapes as one flat list of operations: written down once, then replayed or compiled.

vmap and autograd decide anew at each call which operations a population's gradient consists of, which costs more than
small models' arithmetic. The list holds exactly those operations. Only softmaxes over few classes are done another way.
"""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, cast

import torch
import torch._inductor
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from metaopt.tracing.recording import NotRecordableError, Recorder, with_dtype
from metaopt.tracing.straight_line import merged, needed, straight_line

Graph: TypeAlias = Callable[..., Any]

#: How a function is run: `eager` decides anew at each step what to do, `replayed` writes that down once and repeats it,
#: `compiled` compiles it.
GraphMode: TypeAlias = Literal["eager", "replayed", "compiled"]

#: torch's softmax over a last dimension that is shorter than this takes ten times as long as over any other dimension.
SHORT = 16

_aten = torch.ops.aten
_OPTIONS: dict[str, Any] = {
    # Channels last suits convolutions in groups, which is what vmap makes of them, badly.
    "layout_optimization": False,
    "cpp.enable_floating_point_contract_flag": "fast",
    "size_asserts": False,
}


def replayed(function: Graph, *examples: Tensor) -> Graph:
    """`function`, of tensors to a list of tensors, as a list of operations for arguments shaped like `examples`.

    Where Python decides by tensors' values there is no such list, and the function is returned as it is.
    """
    inputs = [tensor.detach() for tensor in examples]  # one that is there twice need not be so next time
    recorder = Recorder(inputs, _REPLACEMENTS)
    try:
        with recorder:
            results = function(*inputs)
    except NotRecordableError:
        return function
    outputs = [recorder.slot(tensor) for tensor in results]
    calls, outputs = merged(recorder.calls, outputs)
    calls = needed(calls, outputs)
    return torch.no_grad()(straight_line(calls, recorder.inputs, outputs, recorder.constants))


def compiled(function: Graph, *examples: Tensor) -> Graph:
    """`function` compiled for arguments shaped like `examples`: the same up to rounding, but seconds to make."""
    # The examples' strides are taken for granted: torch.compile's guards, which would look at them again, take longer
    # than small graphs. So whatever comes is made contiguous.
    whole = [tensor.contiguous() for tensor in examples]
    with torch.no_grad():
        graph = torch._inductor.compile(_traced(function, *whole), [*whole], options=_OPTIONS)

    @torch.no_grad()
    def run(*tensors: Tensor) -> Any:
        return graph(*[tensor.contiguous() for tensor in tensors])

    return run


def _traced(function: Graph, *examples: Any) -> GraphModule:
    traced: GraphModule = make_fx(function)(*examples)
    for node in list(traced.graph.nodes):
        if isinstance(node.target, torch._ops.OpOverload) and "val" in node.meta:
            node.kwargs = with_dtype(node.target, node.args, node.kwargs, node.meta["val"])
        if node.target is _aten.detach.default:
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    return traced


def _turning(operation: Graph) -> Graph:
    """A softmax, `(input, dim, …)`, done across rows instead of along them where rows are short."""

    def forward(input: Tensor, dim: int, *rest: Any) -> Tensor:
        if not _is_short(input, dim):
            return cast(Tensor, operation(input, dim, *rest))
        return _turned(cast(Tensor, operation(_turned(input), input.ndim - 2, *rest)))

    return forward


def _turning_backward(operation: Graph) -> Graph:
    """The same for a softmax's gradient, `(grad, output, dim, …)`."""

    def backward(grad: Tensor, output: Tensor, dim: int, *rest: Any) -> Tensor:
        if not _is_short(output, dim):
            return cast(Tensor, operation(grad, output, dim, *rest))
        return _turned(cast(Tensor, operation(_turned(grad), _turned(output), output.ndim - 2, *rest)))

    return backward


_REPLACEMENTS: dict[Any, Graph] = {
    _aten._log_softmax.default: _turning(_aten._log_softmax.default),
    _aten._softmax.default: _turning(_aten._softmax.default),
    _aten._log_softmax_backward_data.default: _turning_backward(_aten._log_softmax_backward_data.default),
    _aten._softmax_backward_data.default: _turning_backward(_aten._softmax_backward_data.default),
}


def _is_short(tensor: Tensor, dim: int) -> bool:
    return tensor.ndim >= 2 and dim % tensor.ndim == tensor.ndim - 1 and tensor.shape[-1] < SHORT


def _turned(tensor: Tensor) -> Tensor:
    # Contiguous, as torch's own result is: what follows was recorded as views of that.
    return tensor.transpose(-1, -2).contiguous()
