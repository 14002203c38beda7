"""The role of each parameter, from modules and shapes."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from metaopt.errors import InputError, checked_function, quoted
from metaopt.parameter_roles.forward_order import Example, kinds_of, reached_first
from metaopt.parameter_roles.names import overridden
from metaopt.parameter_roles.output_layers import output_weights
from metaopt.parameter_roles.weights import Weight, is_adapter, is_repeated, weights

#: Tables of places, which stand beside a raw input as well as beside tokens.
_POSITIONS = re.compile(r"(^|[._])(pos|rel|dist)|position|relative")
#: Layers of so few outputs, as of gates and scores, say nothing about what others take.
_FEW = 4


@checked_function()
def roles(
    model: nn.Module | Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Mapping[str, Tensor],
    patterns: Mapping[str, str] | None = None,
    *,
    example: Example | None = None,
) -> dict[str, str]:
    """The role of each parameter by name, as optimizers of roles and rates by role take them.

    `embedding`: tables that are looked up, and what is added to activations, such as positions; a tied weight is one.
    `head`: the last weight and those beside it, or the last one of each module that is called `lm_head`, `classifier`,
    `policy_head`, … outside of repeated blocks. `input`: the weights that raw inputs reach first. `vector`: what has at
    most one dimension, norms, scales, depth-wise kernels. `matrix`: all other weights, packed projections of attention,
    kernels and LoRA's factors among them. Parameters without a model are `matrix` from two dimensions on, else
    `vector`.

    With an `example`, one pass shows which weights are of an input: in evaluation, without gradients; the model, its
    buffers and random numbers stay as they are. Without one it is the first weight, where no table sees the input and
    no other weight may be a first one too; then there is none.

    Args:
        model: a model, or its parameters, named or not: these are named by position.
        patterns: role by pattern of names, such as `{"lm_head.*": "head"}`; they override what was found.
        example: what the model is called with: a tensor, a tuple of arguments, or a dict of them by name.

    Returns:
        Frozen parameters too, in the model's order; a tied weight under its first name.

    Raises:
        InputError: a pattern matches nothing, two match one parameter with different roles, a role is unknown, or the
            model raises on the example.

    Example:
        >>> import torch, metaopt
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        >>> metaopt.roles(model)
        {'0.weight': 'input', '0.bias': 'vector', '2.weight': 'head', '2.bias': 'vector'}
    """
    if isinstance(model, nn.Module):
        found = _of_model(model, example)
        return found if patterns is None else overridden(found, patterns)
    if example is not None:
        raise InputError("An example goes through a model, and there are parameters alone; give the model.")
    return overridden({name: role_of_shape(param) for name, param in _named(model)}, patterns)


def role_of_shape(param: Tensor) -> str:
    """`matrix` for two dimensions and more, `vector` for less."""
    return "matrix" if param.ndim > 1 else "vector"


def roles_on(model: nn.Module, example: Example | None) -> dict[str, str]:
    """`roles` by a pass where the model takes the example, else without one."""
    try:
        return roles(model, example=example)
    except InputError:
        return roles(model)


def _of_model(model: nn.Module, example: Example | None) -> dict[str, str]:
    places = list(weights(model))
    # Tied weights are looked up or hidden, wherever else they stand.
    looked_up = {place.param for place in places if place.kind == "embedding"}
    reached = None if example is None else reached_first(model, example, kinds_of(places))
    if reached is not None:
        looked_up = (looked_up - reached.first) | reached.looked_up
    candidates = [place for place in places if place.kind == "weight" and place.param not in looked_up]
    heads = output_weights(model, [place for place in places if place.kind == "weight"])
    makes_output = {place.param for place in candidates if place.name in heads}
    if reached is not None and reached.last:
        makes_output -= reached.first - reached.last
    multiplies_input = _first(model, places, makes_output) if reached is None else reached.first
    kinds: dict[Tensor, str] = {}
    for place in places:
        role = "vector" if place.kind == "vector" else "matrix"
        if place.param in looked_up:
            role = "embedding"
        elif place.param in makes_output:
            role = "head"
        elif place.param in multiplies_input and not is_adapter(place.name):
            role = "input"
        kinds.setdefault(place.param, role)
    return {name: kinds[param] for name, param in model.named_parameters()}


def _first(model: nn.Module, places: Sequence[Weight], heads: set[Tensor]) -> set[Tensor]:
    """The first weight, of a recurrent layer that of each direction; none where tables or other weights see an input.

    Tables that stand later see it too, but for those of positions and of blocks. Attention is never first: what is
    projected there has been embedded before.
    """
    for place in places:
        if place.kind == "hidden" or (place.kind == "embedding" and place.name.endswith("weight")):
            return set()
        if place.kind == "weight" and place.param not in heads:
            module = model.get_submodule(place.owner)
            # Images come without tables; what stands after them is one of labels or times.
            sees_images = isinstance(module, nn.Conv2d | nn.Conv3d)
            if not sees_images and any(_is_table_of_inputs(model, other) for other in places):
                return set()
            is_recurrent = isinstance(module, nn.RNNBase)
            if has_other_inputs(model, place, [other for other in places if other.param not in heads]):
                return set()
            own = [other.param for other in places if other.owner == place.owner and other.kind == "weight"]
            return set(own) if is_recurrent else {place.param}
    return set()


def _is_table_of_inputs(model: nn.Module, place: Weight) -> bool:
    is_table = place.kind == "embedding" and place.name.endswith("weight")
    return is_table and not _POSITIONS.search(place.name) and not is_repeated(model, place.owner)


def _named(params: Any) -> list[tuple[str, Tensor]]:
    if isinstance(params, Tensor | str) or not isinstance(params, Iterable):
        raise InputError(f"Roles are those of a model or of a list of parameters, got a {type(params).__name__}.")
    items = list(params.items()) if isinstance(params, Mapping) else list(params)
    pairs = [item if isinstance(item, tuple) else (str(place), item) for place, item in enumerate(items)]
    for _, tensor in pairs:
        if not isinstance(tensor, Tensor):
            raise InputError(f"Parameters must be tensors, got {quoted(tensor)}.")
    return pairs


def has_other_inputs(model: nn.Module, first: Weight, places: Sequence[Weight]) -> bool:
    """Whether another weight takes a width that no layer of the model gives, as the first one of a second input does.

    What layers give counts with what may become of it: several flattened, two or an input and one side by side, half
    or a quarter of one.

    Args:
        model: the model.
        first: its first weight.
        places: its parameters, without those that make its output.
    """
    width = _taken(model.get_submodule(first.owner))
    given = {out for place in places for out in _given(model.get_submodule(place.owner), place)}
    others = (place.owner for place in places if place.kind == "weight" and place.owner != first.owner)
    taken = {other for owner in dict.fromkeys(others) if (other := _taken(model.get_submodule(owner)))}
    return width is not None and not all(_may_come_from(given, width, other) for other in taken)


def _may_come_from(given: set[int], raw: int, width: int) -> bool:
    if width in given or width - raw in given:
        return True
    if any(width % out == 0 or width - out in given for out in given if out >= _FEW):
        return True
    return width != raw and any(part * width in given for part in (2, 4))


def _taken(module: Any) -> int | None:
    """How many numbers or channels a layer takes; None where its class does not say."""
    if isinstance(module, nn.Linear):
        return module.in_features
    if isinstance(module, nn.modules.conv._ConvNd):
        return module.in_channels
    return module.input_size if isinstance(module, nn.RNNBase | nn.RNNCellBase) else None


def _given(module: Any, place: Weight) -> Iterator[int]:
    """How many numbers or channels the layer of a weight gives."""
    if place.kind == "vector":
        return
    if isinstance(module, nn.Linear):
        yield module.out_features
    elif isinstance(module, nn.modules.conv._ConvNd):
        yield module.out_channels
    elif isinstance(module, nn.RNNBase | nn.RNNCellBase):
        yield from (module.hidden_size, 2 * module.hidden_size)
    elif place.param.ndim > 1:
        yield from (place.param.shape[-1], place.param.shape[0])
