"""Steps of several members that share a rule, in place: run anew, repeated from a recording, or compiled.

params, state ← params + updates, new state
"""

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, TypeVar, final

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from metaopt.contracts import State, Tensors, Theta
from metaopt.inner.updates.layout import Flats
from metaopt.inner.updates.member_rule import Ends, MemberHparams, MemberRule, MemberStep
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

_Value = TypeVar("_Value")


@final
class RuleGraphs:
    """Graphs of rules, for populations to come, and the trials that told which form a rule takes.

    Attributes:
        MOST: entries that are held; the one unused for longest is dropped.
    """

    MOST = 512

    def __init__(self) -> None:
        self._entries: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable, make: Callable[[], _Value]) -> _Value:
        """The entry of a key, made if it is not there; never held if the key holds a rule without a hash."""
        if not is_hashable(key):
            return make()
        value: _Value = self._entries.pop(key) if key in self._entries else make()
        self._entries[key] = value
        if len(self._entries) > self.MOST:
            del self._entries[next(iter(self._entries))]
        return value


class MemberOptimizer:
    """A rule with the parameters and the state of several members.

    Args:
        rule: as it is applied to several members.
        params: buffers of shape (members, coordinates), written to.
        hparams: as the rule wants them.
        ends: for each buffer, the number of leading columns that get weight decay.
        theta: learned weights of the rule.
        horizon: planned number of steps, 0-d.
        mode: how steps are run.
        graphs: where graphs are found and left for the next population.
    """

    def __init__(
        self,
        rule: MemberRule,
        params: Flats,
        hparams: MemberHparams,
        ends: Ends,
        theta: Theta,
        horizon: Tensor,
        mode: GraphMode,
        graphs: RuleGraphs,
    ) -> None:
        self._rule = rule
        self._params = params
        self._ends = dict(ends)
        self._theta = dict(theta)
        self._hparams = hparams
        state = rule.init(params, self._hparams, ends, theta, horizon)
        # vmap expands tensors that are the same for all members; each member needs its own to be written to.
        leaves, self._structure = tree_flatten(state)
        self._state = [tensor.contiguous().clone() for tensor in leaves]
        self._settings = tensors_of((self._hparams, self._theta))
        self._signals: tuple[str, ...] = ()
        self._mode = _possible(mode, rule, params, self._ends)
        self._graphs = graphs
        self._graph: Graph | None = None

    def step(self, grads: Flats, step: MemberStep) -> None:
        """Step the members' parameters.

        Args:
            grads: in the layout of the parameters.
            step: the step about to be taken.
        """
        if self._graph is None:
            self._signals = tuple(sorted(step.signals))
            self._graph = self._new_graph(grads, step)
        if self._mode == "compiled":
            self._graph(*self._arguments(grads, step))
            return
        optional = [value for value in (step.rates, step.loss) if value is not None]
        results = self._graph(
            *self._params.values(),
            *self._state,
            *[grads[key] for key in self._params],
            *self._settings,
            step.step,
            step.horizon,
            *optional,
            *[step.signals[name] for name in self._signals],
        )
        self._state = results[len(self._params) :]
        for param, update in zip(self._params.values(), results, strict=False):
            param.add_(update)

    def members(self, rows: Tensor) -> list[Tensor]:
        """Copies of some members' parameters and state, for `put_back`."""
        return [tensor[rows] for tensor in (*self._params.values(), *self._state)]

    def put_back(self, rows: Tensor, members: list[Tensor]) -> None:
        """Undo the last step of some members."""
        params, state = members[: len(self._params)], members[len(self._params) :]
        for param, before in zip(self._params.values(), params, strict=True):
            param.index_copy_(0, rows, before)
        if self._mode == "compiled":  # the graph writes into these very tensors
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
        return self._rule.evaluation_params(self._params, self._nested_state(), self._hparams, self._ends)

    @property
    def shared(self) -> Tensors:
        """The members' shared state."""
        return self._nested_state()["shared"]

    def _nested_state(self) -> State:
        state: State = tree_unflatten(self._state, self._structure)
        return state

    def _arguments(self, grads: Flats, step: MemberStep) -> tuple[Any, ...]:
        optional = {name: value for name, value in (("rates", step.rates), ("loss", step.loss)) if value is not None}
        grads = {key: grads[key] for key in self._params}
        signals = {name: step.signals[name] for name in self._signals}
        return grads, self._hparams, self._theta, step.step, step.horizon, optional, signals

    def _new_graph(self, grads: Flats, step: MemberStep) -> Graph:
        """The step as one function: of `_arguments`, in place, if compiled, else of all its tensors in a row."""
        arguments = (self._params, self._nested_state(), *self._arguments(grads, step))
        if self._mode == "compiled":
            graph = _compiled(self._rule, self._ends, arguments, self._graphs)
            return partial(graph, self._params, arguments[1], self._ends)
        return _in_a_row(self._rule, self._ends, arguments, self._mode, self._graphs)


def _possible(mode: GraphMode, rule: MemberRule, params: Flats, ends: Ends) -> GraphMode:
    """`mode`, or the mode closest to it that serves this rule and these sizes."""
    if mode == "eager":
        return "eager"
    if mode == "compiled" and rule.dynamic and is_hashable(rule):
        # Sizes 0 and 1 cannot be dynamic: each would be a graph of its own.
        sizes = [(len(flat), ends[key], flat.shape[1] - ends[key]) for key, flat in params.items()]
        if all(members >= MIN_NUMEL and 1 not in (before, after) for members, before, after in sizes):
            return "compiled"
    return "replayed"


def _in_a_row(
    rule: MemberRule, ends: dict[str, int], arguments: tuple[Any, ...], mode: GraphMode, graphs: RuleGraphs
) -> Graph:
    """The step from tensors in a row to updates and new state in a row; `arguments` are those of `_advance`."""
    leaves, structure = tree_flatten(arguments)
    keys = tuple(arguments[0])

    def advance(*tensors: Tensor) -> list[Tensor]:
        params, state, *others = tree_unflatten(tensors, structure)
        updates, new = _advance(rule, ends, params, state, *others)
        # The new state goes in at the next step, where recorded operations expect the strides of the first one.
        return [*(updates[key] for key in keys), *[tensor.contiguous() for tensor in tensors_of(new)]]

    if mode == "eager":
        return advance
    layouts = tuple([layout_of(tensor, strided=True) for tensor in leaves])
    key = ("replayed", rule, tuple(ends.items()), structure_of(arguments), layouts)
    return graphs.get(key, lambda: replayed(advance, *leaves))


def _compiled(rule: MemberRule, ends: dict[str, int], arguments: tuple[Any, ...], graphs: RuleGraphs) -> Graph:
    params = arguments[0]
    kinds = tuple([(leaf.ndim, leaf.dtype, leaf.device, 1 in leaf.shape) for leaf in tensors_of(arguments)])
    parts = tuple((key, end == 0, end == params[key].shape[1]) for key, end in ends.items())

    def write(params: Flats, state: State, ends: dict[str, int], *others: Any) -> None:
        updates, new = _advance(rule, ends, params, state, *others)
        for key, update in updates.items():
            params[key].add_(update)
        for name, own in state["tensors"].items():
            for key, value in own.items():
                value.copy_(new["tensors"][name][key])
        for key, value in state["shared"].items():
            value.copy_(new["shared"][key])

    key = ("compiled", rule, parts, structure_of(arguments), kinds)
    return graphs.get(key, lambda: torch.no_grad()(torch.compile(own_code(write), dynamic=True, fullgraph=True)))


def _advance(
    rule: MemberRule,
    ends: Mapping[str, int],
    params: Flats,
    state: State,
    grads: Flats,
    hparams: MemberHparams,
    theta: Tensors,
    step: Tensor,
    horizon: Tensor,
    optional: Tensors,
    signals: Tensors,
) -> tuple[Flats, State]:
    member_step = MemberStep(step, horizon, optional.get("rates"), optional.get("loss"), signals)
    return rule.advance(params, grads, state, hparams, ends, theta, member_step)
