"""A function of tensors of fixed shapes as one flat list of operations: traced once, then replayed or compiled.

vmap and autograd decide anew at each call which operations a population's gradient consists of, which costs more than
small models' arithmetic. The list holds exactly those operations, so that replaying it gives the same bits.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

Graph: TypeAlias = Callable[..., Any]


def replayed(function: Graph, examples: Sequence[Tensor]) -> Graph:
    """`function` as a list of operations for tensors shaped like `examples`.

    Its result must not need gradients, and Python values must not depend on tensors' values (as under vmap).
    """
    return torch.no_grad()(_traced(function, examples))


def compiled(function: Graph, examples: Sequence[Tensor]) -> Graph:
    """`function` compiled for tensors shaped like `examples`: same numbers up to rounding, seconds to make."""
    return torch.no_grad()(torch.compile(_traced(function, examples), dynamic=False, fullgraph=True))


def _traced(function: Graph, examples: Sequence[Tensor]) -> GraphModule:
    graph: GraphModule = make_fx(function)(*examples)
    for node in list(graph.graph.nodes):
        if node.target is torch.ops.aten.detach.default:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph
