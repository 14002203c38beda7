"""A rule over parameters of which each rank holds a part: it steps as over whole ones.

A rule whose numbers step each by itself runs on the parts. Any other is given whole tensors: those that a rule treats
by themselves one after the other, so that only one of them is whole at a time, and all of them together where a rule
looks at all. Every rank then computes the same, and keeps its part. State that has a parameter's shape, or that shape
at the end, lies on ranks as the parameter does; other state, such as counters, rows and columns, is whole on each rank.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from torch import Tensor

from metaopt.contracts import (
    CompositeRule,
    Hparams,
    Rule,
    State,
    StepInfo,
    Tensors,
    TensorState,
    Theta,
    prepared_update,
)
from metaopt.shards import Layout, full, is_sharded, local


def initial_state(
    rule: Rule, params: Mapping[str, Tensor], hparams: Hparams, theta: Theta, horizon: Tensor | None
) -> State:
    """`rule.init` of parameters that may be sharded; all ranks have to call it."""
    if not _any_sharded(params.values()):
        return rule.init(params, hparams, theta, horizon)
    state: State = {"tensors": {}, "shared": {}}
    for names, seen, kept in _portions(rule, params):
        new = rule.init({name: seen(params[name]) for name in names}, hparams, theta, horizon)
        state["tensors"].update(_kept_states(new["tensors"], params, kept))
        state["shared"].update(new["shared"])
    return state


def update(
    rule: Rule,
    grads: Mapping[str, Tensor],
    state: State,
    params: Mapping[str, Tensor],
    hparams: Hparams,
    theta: Theta,
    info: StepInfo,
) -> tuple[Tensors, State]:
    """`prepared_update` of parameters that may be sharded; all ranks have to call it."""
    if not _any_sharded(params.values()):
        return prepared_update(rule, grads, state, params, hparams, theta, info)
    updates: Tensors = {}
    new: State = {"tensors": {}, "shared": dict(state["shared"])}
    for names, seen, kept in _portions(rule, params):
        own_grads = {name: seen(grads[name]) for name in names if name in grads}
        own_params = {name: seen(params[name]) for name in names}
        own_state: State = {"tensors": _seen_states(state, names, seen), "shared": state["shared"]}
        steps, stepped = prepared_update(rule, own_grads, own_state, own_params, hparams, theta, info)
        updates.update({name: kept(step, params[name]) for name, step in steps.items()})
        new["tensors"].update(_kept_states(stepped["tensors"], params, kept))
        # Where optimizers share a model, each portion advances the shared state of its own.
        advanced = {key: value for key, value in stepped["shared"].items() if value is not state["shared"][key]}
        new["shared"].update(advanced)
    return updates, new


def evaluation_params(rule: Rule, params: Mapping[str, Tensor], state: State, hparams: Hparams) -> Tensors:
    """`rule.evaluation_params` of parameters that may be sharded, themselves where the rule leaves them."""
    if not _any_sharded(params.values()):
        return rule.evaluation_params(params, state, hparams)
    averages: Tensors = {}
    for names, seen, kept in _portions(rule, params):
        own = {name: seen(params[name]) for name in names}
        own_state: State = {"tensors": _seen_states(state, names, seen), "shared": state["shared"]}
        for name, average in rule.evaluation_params(own, own_state, hparams).items():
            averages[name] = params[name] if average is own[name] else kept(average, params[name])
    return averages


_Seen = Callable[[Tensor], Tensor]
_Kept = Callable[[Tensor, Tensor], Tensor]


def _portions(rule: Rule, params: Mapping[str, Tensor]) -> Iterator[tuple[list[str], _Seen, _Kept]]:
    """Names of parameters that go through a rule together, what it sees of a tensor, and what a rank keeps of one."""
    if isinstance(rule, CompositeRule):
        for part, own in rule.parts:
            yield from _portions(own, {name: param for name, param in params.items() if rule.part_of(name) == part})
    elif not params:
        return
    elif rule.granularity == "coordinate":
        yield list(params), local, _wrapped
    elif rule.granularity == "tensor":
        sharded = [name for name, param in params.items() if is_sharded(param)]
        yield from (([name], full, _sharded) for name in sharded)
        plain = [name for name in params if name not in set(sharded)]
        if plain:
            yield plain, full, _sharded
    else:
        yield list(params), full, _sharded


def _any_sharded(tensors: Iterable[Tensor]) -> bool:
    return any(type(tensor) is not Tensor and is_sharded(tensor) for tensor in tensors)


def _seen_states(state: State, names: list[str], seen: _Seen) -> dict[str, TensorState]:
    return {
        name: {key: seen(value) for key, value in state["tensors"][name].items()}
        for name in names
        if name in state["tensors"]
    }


def _kept_states(
    states: Mapping[str, TensorState], params: Mapping[str, Tensor], kept: _Kept
) -> dict[str, TensorState]:
    return {name: {key: kept(value, params[name]) for key, value in own.items()} for name, own in states.items()}


def _wrapped(part: Tensor, param: Tensor) -> Tensor:
    """A DTensor of a rank's part, as the parameter is one; what has not the shape of its part stays plain."""
    layout = Layout.of(param)
    shape = local(param).shape
    ahead = part.ndim - len(shape)
    if layout is None or not shape or ahead < 0 or part.shape[ahead:] != shape:
        return part
    return layout.wrap(part)


def _sharded(whole: Tensor, param: Tensor) -> Tensor:
    layout = Layout.of(param)
    return whole if layout is None else layout.shard(whole)
