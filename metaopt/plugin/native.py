"""A library's class that an optimizer plugin names beside its rule, or in its place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from torch.optim import Optimizer

from metaopt.errors import PluginError, known_keywords
from metaopt.space import Value


@final
@known_keywords(PluginError)
@dataclass(frozen=True, kw_only=True)
class Native:
    """A well-kept library's optimizer class: it computes the same as the rule, or is all there is.

    Attributes:
        module: where the class is, such as `"torch.optim"`.
        qualname: the class, such as `"AdamW"`.
        distribution: what to install to have it; empty for a class of no distribution.
        arguments: from hyperparameters to the class's keyword arguments; the packed group as it is if left out. It may
            raise PluginError where the class cannot serve these values.
        fixed: further keyword arguments, the same for all.
        fused: whether the class takes `fused=True` on the CPU and on CUDA.
        modes: whether it must be told `train()` and `eval()`, as Schedule-Free must.
        group_state: what the rule keeps of each tensor and the class once for a whole group: the rule's keys, and the
            group's entries.
        nones: hyperparameters that a param group of the class may hold as None, and the value that each then has.
        takes_empty: whether the class takes parameters without numbers.
        dims: number of dimensions that the class takes of each parameter, or None where it takes any.
        loaded: the class itself, where its module may not be there to be imported, as in a notebook.
        matrix_entry: an entry of param groups that tells the class which of them hold matrices, True for tensors of two
            dimensions and more, such as `"use_muon"`.
        needs_graph: whether it differentiates the gradients once more: the loop must call
            `loss.backward(create_graph=True)`.
        takes_closure: whether its `step` takes a closure that computes loss and gradients anew, as L-BFGS's does.
        sharded: where there is no rule, whether it steps parameters of which each rank holds a part (DTensors) as whole
            ones; where there is one, that says it.
    """

    module: str
    qualname: str
    distribution: str = "torch"
    arguments: Callable[[Mapping[str, Value]], dict[str, Any]] | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    fused: bool = False
    modes: bool = False
    group_state: Mapping[str, str] = field(default_factory=dict)
    nones: Mapping[str, Value] = field(default_factory=dict)
    takes_empty: bool = True
    dims: int | None = None
    loaded: type[Optimizer] | None = field(default=None, repr=False)
    matrix_entry: str | None = None
    needs_graph: bool = False
    takes_closure: bool = False
    sharded: bool = False

    @property
    def path(self) -> str:
        """The class with its module."""
        return f"{self.module}.{self.qualname}"
