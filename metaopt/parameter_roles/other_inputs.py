"""Whether a model that looks at several raw inputs may do so, from the widths of its layers."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from metaopt.parameter_roles.weights import Weight

#: Layers of so few outputs, as of gates and scores, say nothing about what others take.
_FEW = 4


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
