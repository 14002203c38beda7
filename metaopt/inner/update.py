"""Steps of several members that share a rule, in place: operation by operation, from a traced list, or compiled.

params, state ← params + updates, new state
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from metaopt.compiled import MIN_NUMEL, own_code
from metaopt.contracts import State, Tensors
from metaopt.contracts.rule import Theta
from metaopt.inner.forms import Ends, Form, MemberHparams, Now, Wide
from metaopt.inner.graphs import Graph, replayed
from metaopt.inner.layout import Flats

#: How a function is run: `eager` decides anew at each step what to do, `replayed` traces it once and then repeats it,
#: `compiled` compiles it.
Mode: TypeAlias = Literal["eager", "replayed", "compiled"]

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
        self, form: Form, params: Flats, numbers: Tensors, ends: Ends, theta: Theta, horizon: Tensor, mode: Mode
    ) -> None:
        self._form = form
        self._params = params
        self._ends = dict(ends)
        self._theta = dict(theta)
        self._hparams = form.hparams(numbers, params, ends)
        state = form.init(params, self._hparams, ends, theta, horizon)
        # vmap expands what is the same for all members; every member's own must be there to be written.
        self._state: State = tree_map(lambda tensor: tensor.contiguous().clone(), state)
        self._mode = _possible(mode, form, params, self._ends)
        self._graph: Graph | None = None

    def step(self, grads: Flats, now: Now) -> None:
        """Update the members' parameters.

        Args:
            grads: in the layout of the parameters.
            now: the step.
        """
        if self._mode == "compiled":
            arguments = self._arguments(grads, now)
            self._ready(_compiled, arguments)(self._params, self._state, self._ends, *arguments)
            return
        if self._mode == "replayed":
            arguments = self._arguments(grads, now)
            updates, self._state = self._ready(_replayed, arguments)(self._params, self._state, *arguments)
        else:
            updates, self._state = self._form.advance(
                self._params, grads, self._state, self._hparams, self._ends, self._theta, now
            )
        for key, update in updates.items():
            self._params[key].add_(update)

    def evaluation_params(self) -> Flats:
        """Parameters to evaluate the members with."""
        return self._form.evaluation_params(self._params, self._state, self._hparams, self._ends)

    def _arguments(self, grads: Flats, now: Now) -> tuple[Any, ...]:
        optional = {"rates": now.rates, "loss": now.loss}
        given = {name: value for name, value in optional.items() if value is not None}
        return grads, self._hparams, self._theta, now.step, now.horizon, given, now.signals

    def _ready(self, make: "_Make", arguments: tuple[Any, ...]) -> Graph:
        if self._graph is None:
            self._graph = make(self._form, self._params, self._state, self._ends, arguments)
        return self._graph


_Make: TypeAlias = Callable[[Form, Flats, State, dict[str, int], tuple[Any, ...]], Graph]


def _possible(mode: Mode, form: Form, params: Flats, ends: Ends) -> Mode:
    """`mode`, or what comes closest to it for this form and these sizes."""
    if mode == "eager" or not isinstance(form, Hashable):
        return "eager"
    if mode == "compiled" and form.dynamic:
        # Sizes 0 and 1 cannot be dynamic: each would be a graph of its own.
        sizes = [(len(flat), ends[key], flat.shape[1] - ends[key]) for key, flat in params.items()]
        if all(members >= MIN_NUMEL and 1 not in (before, after) for members, before, after in sizes):
            return "compiled"
    return "eager" if isinstance(form, Wide) else "replayed"


def _replayed(form: Form, params: Flats, state: State, ends: dict[str, int], arguments: tuple[Any, ...]) -> Graph:
    shapes = [(tensor.shape, tensor.dtype) for tensor in tree_leaves((params, state, arguments))]
    key = ("replayed", form, tuple(ends.items()), tuple(shapes))

    def advance(params: Flats, state: State, *rest: Any) -> tuple[Flats, State]:
        return _advance(form, params, state, ends, *rest)

    return _kept(key, lambda: replayed(advance, params, state, *arguments))


def _compiled(form: Form, params: Flats, state: State, ends: dict[str, int], arguments: tuple[Any, ...]) -> Graph:
    kinds = [(tensor.ndim, tensor.dtype, 1 in tensor.shape) for tensor in tree_leaves((params, state, arguments))]
    parts = tuple((key, end == 0, end == params[key].shape[1]) for key, end in ends.items())
    names = tuple(sorted([*arguments[2], *arguments[5], *arguments[6]]))

    def write(params: Flats, state: State, ends: dict[str, int], *rest: Any) -> None:
        updates, new = _advance(form, params, state, ends, *rest)
        for key, update in updates.items():
            params[key].add_(update)
        for name, own in state["tensors"].items():
            for key, value in own.items():
                value.copy_(new["tensors"][name][key])
        for key, value in state["shared"].items():
            value.copy_(new["shared"][key])

    key = ("compiled", form, parts, tuple(kinds), names)
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
    graph = _KEPT.pop(key, None) or make()
    _KEPT[key] = graph
    if len(_KEPT) > MAX_KEPT:
        del _KEPT[next(iter(_KEPT))]
    return graph
