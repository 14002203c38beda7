"""Which weights the raw inputs of a model reach first, from one pass through it.

Every tensor of the pass is followed by its storage. What comes from the example alone is raw, what was looked up in
tables is embedded, and what a weight has acted on is hidden. A weight that acts on something raw is one of an input;
views, casts and reparametrisations of a parameter stand for it. Norms, scales and sums with positions change nothing.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from metaopt.errors import InputError, named_line, quoted
from metaopt.parameter_roles.weights import Kind, Weight

#: What a model is called with: a tensor, a tuple of arguments, or arguments by name.
Example: TypeAlias = Tensor | tuple[Any, ...] | Mapping[str, Any]
#: What values come from; see above.
Course: TypeAlias = Literal["raw", "embedded", "hidden"]

_LOOK_UPS = frozenset(
    {"embedding", "embedding_bag", "_embedding_bag", "_embedding_bag_forward_only", "index", "index_select", "gather"}
)
_JOINS = frozenset({"cat", "stack"})
#: Where a parameter stands beside values instead of acting on them.
_SUMS = _JOINS | {"add", "add_", "sub", "sub_", "rsub", "copy", "copy_", "where", "index_put", "index_put_", "lerp"}
_PRODUCTS = frozenset({"mm", "addmm", "_addmm_activation", "bmm", "baddbmm", "mv", "addmv", "linear", "convolution"})


@dataclass(frozen=True)
class Reached:
    """What one pass through a model shows.

    Attributes:
        first: the weights that raw inputs reach first.
        last: those that act last on what the model returns; empty where that holds no tensors.
        looked_up: parameters whose rows are looked up.
    """

    first: frozenset[Tensor]
    last: frozenset[Tensor]
    looked_up: frozenset[Tensor]


@dataclass(frozen=True)
class _Flow:
    """Where the values of a storage come from: from inputs, or from parameters alone.

    Attributes:
        course: of what comes from inputs.
        params: those that a storage is made of; where it is hidden, the weights that acted on it last.
    """

    course: Course | None = None
    params: frozenset[Tensor] = frozenset()


def reached_first(model: nn.Module, example: Example, kinds: Mapping[Tensor, Kind]) -> Reached:
    """Follow an example through the model in evaluation, without gradients; model and random numbers stay as they were.

    Args:
        model: the model, or what DDP or `torch.compile` made of it.
        example: see `Example`.
        kinds: of its parameters.

    Raises:
        InputError: the example is none, or the model raises on it.
    """
    args, keywords = _arguments(example)
    inner = _unwrapped(model)
    if any(type(param).__name__ == "DTensor" for param in kinds):
        raise InputError(
            "The model is sharded, and no example can be followed through it; find its roles before, and give them as "
            "patterns, roles=metaopt.roles(model, example=…)."
        )
    following = _Following(kinds, (args, keywords))
    try:
        with _undisturbed(inner), _OwnSteps(), following:
            buffers = {name: buffer.clone() for name, buffer in inner.named_buffers()}
            output = functional_call(inner, buffers, args, keywords)
    except Exception as error:
        raise InputError(
            f"A pass through the model with the example raises {named_line(error)}; give what the model takes: a "
            "tensor, a tuple of its arguments, or a dict of them by name."
        ) from error
    return Reached(frozenset(following.first), following.last(output), frozenset(following.looked_up))


def _arguments(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example, Tensor):
        return (example,), {}
    if isinstance(example, tuple):
        return example, {}
    if isinstance(example, Mapping) and all(isinstance(name, str) for name in example):
        return (), dict(example)
    raise InputError(
        "example is what the model is called with, a tensor, a tuple of its arguments, or a dict of them by name; got "
        f"{quoted(example)}."
    )


def _unwrapped(model: Any) -> Any:
    if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
        return _unwrapped(model.module)
    return _unwrapped(model._orig_mod) if hasattr(model, "_orig_mod") else model


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Inside, the model evaluates; afterwards it and all random numbers are as they were. `train()` is never called."""
    modes = [(module, module.training) for module in model.modules()]
    devices = sorted({param.device.index for param in model.parameters() if param.device.type == "cuda"})
    drawn = np.random.get_state(), random.getstate()
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.random.fork_rng(devices=devices))
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        try:
            for module, _ in modes:
                module.training = False
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            np.random.set_state(drawn[0])
            random.setstate(drawn[1])


class _OwnSteps(TorchFunctionMode):
    """Keeps layers of transformers from their fused forms, in which steps are not told apart."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class _Following(TorchDispatchMode):
    """Follows an example through every operation."""

    def __init__(self, kinds: Mapping[Tensor, Kind], example: Any) -> None:
        super().__init__()
        self.first: set[Tensor] = set()
        self.looked_up: set[Tensor] = set()
        self._kinds = kinds
        # A storage that is gone keeps its address for as long as something refers to it weakly.
        self._flows: dict[int, tuple[StorageWeakRef, _Flow]] = {}
        for tensor in tree_leaves(example):
            self._set(tensor, _Flow("raw"))
        for param in kinds:  # layers may hold several parameters in one storage
            self._set(param, _Flow(params=frozenset({param}) | (self._flow(param) or _Flow()).params))
        self._own = {self._key(param) for param in kinds}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        flows = [flow for tensor in tree_leaves((args, kwargs)) if (flow := self._flow_into(tensor)) is not None]
        name = func.overloadpacket.__name__
        if flows and not name.startswith("new_") and not name.endswith("_like"):
            flow = self._after(name, flows)
            for tensor in tree_leaves(result):
                if self._key(tensor) not in self._own:
                    self._set(tensor, flow)
        return result

    def last(self, output: Any) -> frozenset[Tensor]:
        """The weights that acted last on what the model returned."""
        flows = [flow for tensor in tree_leaves(output) if (flow := self._flow(tensor)) is not None]
        return frozenset[Tensor]().union(*(flow.params for flow in flows if flow.course == "hidden"))

    def _after(self, name: str, flows: list[_Flow]) -> _Flow:
        """What comes out of an operation."""
        courses = {flow.course for flow in flows if flow.course is not None}
        params = frozenset[Tensor]().union(*(flow.params for flow in flows if flow.course is None))
        if name in _LOOK_UPS and flows[0].params:
            self.looked_up |= flows[0].params
            return _Flow("embedded") if courses else _Flow(params=params)
        if not courses:
            return _Flow(params=params)
        acting = frozenset(param for param in params if name not in _SUMS and self._acts(name, param))
        if "hidden" in courses:
            last = frozenset[Tensor]().union(*(flow.params for flow in flows if flow.course == "hidden"))
            return _Flow("hidden", acting or last)
        # Numbers beside embedded ones stay raw; a mask over embedded ones does not make them so.
        is_raw = "raw" in courses and (len(courses) == 1 or name in _JOINS)
        if acting and is_raw:
            # Of a recurrent layer's weights only those of the input count.
            self.first |= {param for param in acting if self._kinds[param] == "weight"} or acting
        return _Flow("hidden", acting) if acting else _Flow("raw" if is_raw else "embedded")

    def _acts(self, name: str, param: Tensor) -> bool:
        """Whether a parameter acts on values as weights do; a table may do so in a product."""
        kind = self._kinds[param]
        return kind in ("weight", "hidden") or (kind == "embedding" and name in _PRODUCTS)

    def _flow(self, tensor: Any) -> _Flow | None:
        known = self._flows.get(self._key(tensor))
        return None if known is None else known[1]

    def _flow_into(self, tensor: Any) -> _Flow | None:
        is_param = isinstance(tensor, nn.Parameter) and tensor in self._kinds
        return _Flow(params=frozenset({tensor})) if is_param else self._flow(tensor)

    def _set(self, tensor: Any, flow: _Flow) -> None:
        storage = _storage(tensor)
        if storage is not None:
            self._flows[storage._cdata] = StorageWeakRef(storage), flow

    def _key(self, tensor: Any) -> int:
        storage = _storage(tensor)
        return -1 if storage is None else storage._cdata


def _storage(tensor: Any) -> Any:
    """What a tensor's numbers lie in; None for what is no tensor, or has several such places."""
    if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided:
        return None
    return tensor.untyped_storage()


def kinds_of(places: Iterable[Weight]) -> dict[Tensor, Kind]:
    """The kind of each parameter from its places: a table wherever it is one, else that of the first place."""
    kinds: dict[Tensor, Kind] = {}
    for place in places:
        if place.kind == "embedding" or place.param not in kinds:
            kinds[place.param] = place.kind
    return kinds
