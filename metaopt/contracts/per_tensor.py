"""Turns functions of one tensor into a rule over all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

from torch import Tensor

from metaopt.contracts.rule import (
    Granularity,
    Hparams,
    Rule,
    State,
    TensorHparams,
    Tensors,
    TensorState,
    Theta,
    keys_in_order,
)
from metaopt.contracts.step_info import StepInfo
from metaopt.errors import PluginError, checked_function, quoted

InitOne: TypeAlias = Callable[[Tensor, TensorHparams, Theta, Tensor | None], TensorState]
UpdateOne: TypeAlias = Callable[..., Any]
#: A first pass over a tensor: what `update` must know of the whole of it, and the new state.
MeasureOne: TypeAlias = Callable[
    [Tensor, TensorState, Tensor, TensorHparams, Theta, StepInfo], tuple[TensorState, TensorState]
]
IdleOne: TypeAlias = Callable[[TensorState, Tensor, TensorHparams, StepInfo], TensorState]
#: State that all tensors share, from theta and the horizon; with each step, signals for all of them and the new state.
InitShared: TypeAlias = Callable[[Theta, Tensor | None], TensorState]
UpdateShared: TypeAlias = Callable[[TensorState, Theta, StepInfo], tuple[Tensors, TensorState]]
EvaluateOne: TypeAlias = Callable[[Tensor, TensorState, TensorHparams], Tensor]


@checked_function(PluginError)
def per_tensor(
    init: InitOne,
    update: UpdateOne,
    *,
    idle: IdleOne | None = None,
    evaluation: EvaluateOne | None = None,
    measure: MeasureOne | None = None,
    shared: tuple[InitShared, UpdateShared] | None = None,
    granularity: Granularity = "coordinate",
) -> Rule:
    """Make a rule from functions that see one tensor at a time.

    Args:
        init: `(param, hparams, theta, horizon) -> state`, a dict of tensors; it may be empty.
        update: `(grad, state, param, hparams, theta, info) -> (update, new_state)`; the update is added.
        idle: `(state, param, hparams, info) -> new_state`, for a step in which the tensor has no gradient;
            by default its state stays as it is.
        evaluation: `(param, state, hparams) -> param`, for rules that average their iterates.
        measure: `(grad, state, param, hparams, theta, info) -> (measured, new_state)`, for rules that need to know
            something of the whole tensor first, such as norms. Then `update` is `(grad, new_state, param, hparams,
            theta, info, measured) -> update`, a function of each number and what is measured. Compiled, both are one
            pass over memory, and the state is written in place.
        shared: `(theta, horizon) -> state` and `(state, theta, info) -> (signals, new_state)`, for what is computed
            once a step from loss and progress, such as a rate: `update` finds it in `info.signals`.
        granularity: `"coordinate"` (each number by itself: the engine may lay tensors end to end) or `"tensor"` (norms
            or shapes matter). Where one tensor's step depends on others, subclass `metaopt.Rule`.

    Returns:
        A rule. Updates come back in the parameter's dtype, state in the dtype that `init` gave it.

    Raises:
        PluginError: another granularity, or no function where one is needed.

    Example:
        >>> import torch, metaopt
        >>> rule = metaopt.per_tensor(
        ...     init=lambda param, hparams, theta, horizon: {},
        ...     update=lambda grad, state, param, hparams, theta, info: (-hparams["lr"] * grad, state),
        ... )
        >>> w = {"w": torch.ones(2)}
        >>> state = rule.init(w, {"w": {"lr": torch.tensor(0.5)}}, {}, None)
        >>> info = metaopt.StepInfo(step=torch.tensor(0))
        >>> rule.update(w, state, w, {"w": {"lr": torch.tensor(0.5)}}, {}, info)[0]
        {'w': tensor([-0.5000, -0.5000])}
    """
    if granularity not in ("coordinate", "tensor"):
        raise PluginError(
            f"per_tensor: granularity must be 'coordinate' or 'tensor', got {quoted(granularity)}; where one tensor's "
            "step depends on others, subclass metaopt.Rule."
        )
    for name, function in {"init": init, "update": update}.items():
        if not callable(function):
            raise PluginError(f"per_tensor: {name} must be a function, got {quoted(function)}.")
    return PerTensorRule(init, update, idle, evaluation, measure, shared, granularity)


@final
@dataclass(frozen=True)
class PerTensorRule(Rule):
    """The rule that `per_tensor` makes."""

    init_one: InitOne
    update_one: UpdateOne
    idle_one: IdleOne | None
    evaluate_one: EvaluateOne | None
    measure_one: MeasureOne | None
    shared: tuple[InitShared, UpdateShared] | None
    granularity: Granularity

    def init(self, params: Mapping[str, Tensor], hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """Apply the tensor's `init` to each."""
        tensors = {name: self.init_one(param, hparams[name], theta, horizon) for name, param in params.items()}
        return {"tensors": tensors, "shared": {} if self.shared is None else self.shared[0](theta, horizon)}

    def update(
        self,
        grads: Mapping[str, Tensor],
        state: State,
        params: Mapping[str, Tensor],
        hparams: Hparams,
        theta: Theta,
        info: StepInfo,
    ) -> tuple[Tensors, State]:
        """Apply the tensor's `update` to each that has a gradient, `idle` to the others."""
        info, shared = self.prepare(state["shared"], theta, info)
        updates, tensors = self.each(grads, state["tensors"], params, hparams, theta, info)
        return updates, {"tensors": tensors, "shared": shared}

    def each(
        self,
        grads: Mapping[str, Tensor],
        states: Mapping[str, TensorState],
        params: Mapping[str, Tensor],
        hparams: Hparams,
        theta: Theta,
        info: StepInfo,
    ) -> tuple[Tensors, dict[str, TensorState]]:
        """Updates and new states by name; `info` has the signals of `prepare`."""
        updates: Tensors = {}
        tensors: dict[str, TensorState] = {}
        for name, old in states.items():
            if name in grads:
                update, new = self.one(grads[name], old, params[name], hparams[name], theta, info)
                updates[name] = update.to(params[name].dtype)
            else:
                new = old if self.idle_one is None else self.idle_one(old, params[name], hparams[name], info)
            tensors[name] = {key: value.to(old[key].dtype) for key, value in keys_in_order(new, old).items()}
        return updates, tensors

    def one(
        self,
        grad: Tensor,
        state: TensorState,
        param: Tensor,
        hparams: TensorHparams,
        theta: Theta,
        info: StepInfo,
    ) -> tuple[Tensor, TensorState]:
        """One tensor's update and new state; `info` has the signals of `prepare`."""
        if self.measure_one is None:
            result: tuple[Tensor, TensorState] = self.update_one(grad, state, param, hparams, theta, info)
            return result
        if not grad.numel():
            return grad, state  # nothing can be measured
        measured, new = self.measure_one(grad, state, param, hparams, theta, info)
        return self.update_one(grad, new, param, hparams, theta, info, measured), new

    def prepare(self, shared: TensorState, theta: Theta, info: StepInfo) -> tuple[StepInfo, TensorState]:
        """What is computed once a step: the step with its signals, and the new shared state."""
        if self.shared is None:
            return info, shared
        signals, new = self.shared[1](shared, theta, info)
        return replace(info, signals={**info.signals, **signals}), new

    def evaluation_params(self, params: Mapping[str, Tensor], state: State, hparams: Hparams) -> Tensors:
        """Apply the tensor's `evaluation` to each, where the rule has one."""
        if self.evaluate_one is None:
            return dict(params)
        tensors = state["tensors"]
        return {
            name: self.evaluate_one(param, tensors[name], hparams[name]).to(param.dtype) if name in tensors else param
            for name, param in params.items()
        }


def prepared(rule: Rule, shared: TensorState, theta: Theta, info: StepInfo) -> tuple[StepInfo, TensorState]:
    """What a rule computes once a step, whichever tensors then follow: the step with its signals, new shared state."""
    return rule.prepare(shared, theta, info) if isinstance(rule, PerTensorRule) else (info, shared)


def prepared_update(
    rule: Rule,
    grads: Mapping[str, Tensor],
    state: State,
    params: Mapping[str, Tensor],
    hparams: Hparams,
    theta: Theta,
    info: StepInfo,
) -> tuple[Tensors, State]:
    """`rule.update` after `prepared`."""
    if not isinstance(rule, PerTensorRule):
        return rule.update(grads, state, params, hparams, theta, info)
    updates, tensors = rule.each(grads, state["tensors"], params, hparams, theta, info)
    return updates, {"tensors": tensors, "shared": state["shared"]}
