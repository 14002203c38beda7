"""A function of tensors of fixed shapes, traced to one graph of operations and compiled."""

from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from metaopt.tracing.recording import Graph, with_dtype

_OPTIONS: dict[str, Any] = {
    # Channels last suits convolutions in groups, which is what vmap makes of them, badly.
    "layout_optimization": False,
    "cpp.enable_floating_point_contract_flag": "fast",
    "size_asserts": False,
}


def compiled(function: Graph, *examples: Tensor) -> Graph:
    """`function` compiled for arguments shaped like `examples`: the same up to rounding, but seconds to make."""
    import torch._inductor  # more than a second, which nobody waits for who compiles nothing

    # The graph takes the examples' strides for granted: torch.compile's guards, which would check them at each call,
    # take longer than small graphs do. So every argument is made contiguous.
    contiguous = [tensor.contiguous() for tensor in examples]
    with torch.no_grad():
        graph = torch._inductor.compile(_traced(function, *contiguous), [*contiguous], options=_OPTIONS)

    @torch.no_grad()
    def run(*tensors: Tensor) -> Any:
        return graph(*[tensor.contiguous() for tensor in tensors])

    return run


def _traced(function: Graph, *examples: Any) -> GraphModule:
    from torch.fx.experimental.proxy_tensor import make_fx

    traced: GraphModule = make_fx(function)(*examples)
    for node in list(traced.graph.nodes):
        if isinstance(node.target, torch._ops.OpOverload) and "val" in node.meta:
            node.kwargs = with_dtype(node.target, node.args, node.kwargs, node.meta["val"])
        if node.target is torch.ops.aten.detach.default:
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    return traced
