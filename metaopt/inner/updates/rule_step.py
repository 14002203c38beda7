"""Steps of several members that share a rule, in place: decided anew, repeated from a recording, or compiled.

params, state ← params + updates, new state
"""

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from metaopt.contracts import State, Tensors, Theta
from metaopt.inner.updates.layout import Flats
from metaopt.inner.updates.member_rule import Ends, Form, MemberHparams, Now
from metaopt.tracing import (
    MIN_NUMEL,
    Graph,
    GraphMode,
    is_hashable,
    layout_of,
    own_code,
    replayed,
    structure_of,
    tensors_of,
)

#: Graphs of rules kept for the next population; the one unused for longest is dropped.
MAX_KEPT = 512
_KEPT: dict[Hashable, Graph] = {}


class Update:
    """A form of a rule with the members' parameters and state.

    Args:
        form: how the rule is applied.
        params: buffers of shape (members, coordinates), written to.
        numbers: hyperparameters of shape (members,).
        ends: for each buffer, the number of leading columns that get weight decay.
        theta: learned weights of the rule.
        horizon: planned number of steps, 0-d.
        mode: how steps are run.
    """

    def __init__(
        self, form: Form, params: Flats, numbers: Tensors, ends: Ends, theta: Theta, horizon: Tensor, mode: GraphMode
    ) -> None:
        self._form = form
        self._params = params
        self._ends = dict(ends)
        self._theta = dict(theta)
        self._hparams = form.hparams(numbers, params, ends)
        state = form.init(params, self._hparams, ends, theta, horizon)
        # vmap expands what is the same for all members; every member's own must be there to be written.
        leaves, self._structure = tree_flatten(state)
        self._state = [tensor.contiguous().clone() for tensor in leaves]
        self._settings = tensors_of((self._hparams, self._theta))
        self._signals: tuple[str, ...] = ()
        self._mode = _possible(mode, form, params, self._ends)
        self._graph: Graph | None = None

    def step(self, grads: Flats, now: Now) -> None:
        """Update the members' parameters.

        Args:
            grads: in the layout of the parameters.
            now: the step.
        """
        if self._graph is None:
            self._signals = tuple(sorted(now.signals))
            self._graph = self._made(grads, now)
        if self._mode == "compiled":
            self._graph(*self._arguments(grads, now))
            return
        optional = [value for value in (now.rates, now.loss) if value is not None]
        found = self._graph(
            *self._params.values(),
            *self._state,
            *[grads[key] for key in self._params],
            *self._settings,
            now.step,
            now.horizon,
            *optional,
            *[now.signals[name] for name in self._signals],
        )
        self._state = found[len(self._params) :]
        for param, update in zip(self._params.values(), found, strict=False):
            param.add_(update)

    def members(self, rows: Tensor) -> list[Tensor]:
        """Copies of some members' parameters and state, for `put_back`."""
        return [tensor[rows] for tensor in (*self._params.values(), *self._state)]

    def put_back(self, rows: Tensor, members: list[Tensor]) -> None:
        """Undo the last step of some members."""
        params, state = members[: len(self._params)], members[len(self._params) :]
        for param, before in zip(self._params.values(), params, strict=True):
            param.index_copy_(0, rows, before)
        if self._mode == "compiled":  # which writes into these very tensors
            for tensor, before in zip(self._state, state, strict=True):
                tensor.index_copy_(0, rows, before)
            return
        # A rule may give all members the same tensor back.
        count = len(next(iter(self._params.values())))
        self._state = [
            tensor.expand(count, *before.shape[1:]).index_copy(0, rows, before)
            for tensor, before in zip(self._state, state, strict=True)
        ]

    def evaluation_params(self) -> Flats:
        """Parameters to evaluate the members with."""
        return self._form.evaluation_params(self._params, self._nested_state(), self._hparams, self._ends)

    @property
    def shared(self) -> Tensors:
        """The members' shared state."""
        return self._nested_state()["shared"]

    def _nested_state(self) -> State:
        state: State = tree_unflatten(self._state, self._structure)
        return state

    def _arguments(self, grads: Flats, now: Now) -> tuple[Any, ...]:
        optional = {"rates": now.rates, "loss": now.loss}
        given = {name: value for name, value in optional.items() if value is not None}
        grads = {key: grads[key] for key in self._params}
        signals = {name: now.signals[name] for name in self._signals}
        return grads, self._hparams, self._theta, now.step, now.horizon, given, signals

    def _made(self, grads: Flats, now: Now) -> Graph:
        """The step as one function: of `_arguments`, in place, if compiled, else of all its tensors in a row."""
        state, arguments = self._nested_state(), self._arguments(grads, now)
        if self._mode == "compiled":
            graph = _compiled(self._form, self._params, state, self._ends, arguments)
            return partial(graph, self._params, state, self._ends)
        return _in_a_row(self._form, self._params, state, self._ends, arguments, self._mode)


def _possible(mode: GraphMode, form: Form, params: Flats, ends: Ends) -> GraphMode:
    """`mode`, or what comes closest to it for this form and these sizes."""
    if mode == "eager":
        return "eager"
    if mode == "compiled" and form.dynamic and is_hashable(form):
        # Sizes 0 and 1 cannot be dynamic: each would be a graph of its own.
        sizes = [(len(flat), ends[key], flat.shape[1] - ends[key]) for key, flat in params.items()]
        if all(members >= MIN_NUMEL and 1 not in (before, after) for members, before, after in sizes):
            return "compiled"
    return "replayed"


def _in_a_row(
    form: Form, params: Flats, state: State, ends: dict[str, int], arguments: tuple[Any, ...], mode: GraphMode
) -> Graph:
    """The step from tensors in a row to updates and new state in a row."""
    leaves, structure = tree_flatten((params, state, *arguments))
    keys = tuple(params)

    def advance(*tensors: Tensor) -> list[Tensor]:
        params, state, *rest = tree_unflatten(tensors, structure)
        updates, new = _advance(form, params, state, ends, *rest)
        # What comes out goes in at the next step, where recorded operations expect the first one's strides.
        return [*(updates[key] for key in keys), *[tensor.contiguous() for tensor in tensors_of(new)]]

    if mode == "eager":
        return advance
    given = (params, state, *arguments)
    layouts = tuple([layout_of(tensor, strided=True) for tensor in leaves])
    key = ("replayed", form, tuple(ends.items()), structure_of(given), layouts)
    return _kept(key, lambda: replayed(advance, *leaves))


def _compiled(form: Form, params: Flats, state: State, ends: dict[str, int], arguments: tuple[Any, ...]) -> Graph:
    given = (params, state, *arguments)
    kinds = tuple([(tensor.ndim, tensor.dtype, tensor.device, 1 in tensor.shape) for tensor in tensors_of(given)])
    parts = tuple((key, end == 0, end == params[key].shape[1]) for key, end in ends.items())

    def write(params: Flats, state: State, ends: dict[str, int], *rest: Any) -> None:
        updates, new = _advance(form, params, state, ends, *rest)
        for key, update in updates.items():
            params[key].add_(update)
        for name, own in state["tensors"].items():
            for key, value in own.items():
                value.copy_(new["tensors"][name][key])
        for key, value in state["shared"].items():
            value.copy_(new["shared"][key])

    key = ("compiled", form, parts, structure_of(given), kinds)
    return _kept(key, lambda: torch.no_grad()(torch.compile(own_code(write), dynamic=True, fullgraph=True)))


def _advance(
    form: Form,
    params: Flats,
    state: State,
    ends: Mapping[str, int],
    grads: Flats,
    hparams: MemberHparams,
    theta: Tensors,
    step: Tensor,
    horizon: Tensor,
    given: Tensors,
    signals: Tensors,
) -> tuple[Flats, State]:
    now = Now(step, horizon, given.get("rates"), given.get("loss"), signals)
    return form.advance(params, grads, state, hparams, ends, theta, now)


def _kept(key: Hashable, make: Callable[[], Graph]) -> Graph:
    if not is_hashable(key):  # a rule that no other population can have
        return make()
    graph = _KEPT.pop(key, None) or make()
    _KEPT[key] = graph
    if len(_KEPT) > MAX_KEPT:
        del _KEPT[next(iter(_KEPT))]
    return graph
