"""How many layers lie above each parameter, for rates that fall from the output down."""

from collections.abc import Mapping

from torch import Tensor, nn

from metaopt.parameter_roles.names import bare_name


def layers_above(params: nn.Module | Mapping[str, Tensor], roles: Mapping[str, str]) -> dict[str, int]:
    """For each parameter's name the number of layers between it and the output: 0 for the head.

    A layer is a member of a list of blocks (`encoder.layer.3`), or a module that holds weights of its own. Biases and
    norms belong to the module that they are part of, else to the layer before. Tables and the weights of a raw input
    are one layer, the lowest.

    Args:
        params: a model, or parameters by name in the order of the layers.
        roles: role by name, as `metaopt.roles` finds them.
    """
    named = dict(params.named_parameters() if isinstance(params, nn.Module) else params)
    order: dict[str, int] = {}
    layer_of: dict[str, int | None] = {}
    last = 0
    for name in named:
        layer = _layer(name)
        role = roles[name]
        if role in ("embedding", "input"):
            layer_of[name] = last = 0
            order.setdefault(layer, 0)
            continue
        if role == "head":
            layer_of[name] = None
            order.setdefault(layer, -1)
            last = -1
            continue
        if role == "matrix" and order.get(layer, 0) == 0:
            order[layer] = max([0, *order.values()]) + 1
        last = order.get(layer, last)
        layer_of[name] = None if last == -1 else last
    return _counted_from_above(layer_of, has_head="head" in roles.values())


def _counted_from_above(layer_of: Mapping[str, int | None], has_head: bool) -> dict[str, int]:
    used = sorted({layer for layer in layer_of.values() if layer is not None})
    above = {layer: len(used) - 1 - place + has_head for place, layer in enumerate(used)}
    return {name: 0 if layer is None else above[layer] for name, layer in layer_of.items()}


def _layer(name: str) -> str:
    """The name up to the first number in it, which counts blocks, else the parameter's module; its own without one."""
    parts = bare_name(name).split(".")
    end = next((place + 1 for place, part in enumerate(parts[:-1]) if part.isdecimal()), len(parts) - 1)
    return ".".join(parts[:end]) or name
