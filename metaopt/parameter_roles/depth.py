"""How many layers lie above each parameter, for rates that fall from the output down."""

from collections.abc import Mapping

from torch import Tensor, nn

from metaopt.parameter_roles.names import bare_name

#: Numbers of layers: of tables and of the weights of a raw input, and of what makes the output.
_LOWEST, _OUTPUT = 0, -1


def layers_above(params: nn.Module | Mapping[str, Tensor], roles: Mapping[str, str]) -> dict[str, int]:
    """For each parameter's name the number of layers between it and the output: 0 for the head.

    A layer is a member of a list of blocks (`encoder.layer.3`), or a module that holds weights of its own. Biases and
    norms belong to the module that they are part of, else to the layer before. Tables and the weights of a raw input
    are one layer, the lowest; a table inside a block belongs to the block.

    Args:
        params: a model, or parameters by name in the order of the layers.
        roles: role by name, as `metaopt.roles` finds them.
    """
    names = [name for name, _ in params.named_parameters()] if isinstance(params, nn.Module) else list(params)
    numbers: dict[str, int] = {}
    layer_of: dict[str, int] = {}
    last = _LOWEST
    for name in names:
        layer, role = _layer(name), roles[name]
        if role == "head" or (role in ("embedding", "input") and numbers.get(layer, _LOWEST) == _LOWEST):
            last = _OUTPUT if role == "head" else _LOWEST
            numbers.setdefault(layer, last)
        else:
            if role == "matrix" and numbers.get(layer, _LOWEST) == _LOWEST:
                numbers[layer] = max([_LOWEST, *numbers.values()]) + 1
            last = numbers.get(layer, last)
        layer_of[name] = last
    used = sorted(set(layer_of.values()) - {_OUTPUT})
    above = {layer: len(used) - 1 - place + ("head" in roles.values()) for place, layer in enumerate(used)}
    return {name: above.get(layer, 0) for name, layer in layer_of.items()}


def _layer(name: str) -> str:
    """The name up to the first number in it, which counts blocks, else the parameter's module; its own without one."""
    parts = bare_name(name).split(".")
    end = next((place + 1 for place, part in enumerate(parts[:-1]) if part.isdecimal()), len(parts) - 1)
    return ".".join(parts[:end]) or name
