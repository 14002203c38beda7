"""How many layers lie above each parameter, for rates that fall from the output down."""

from collections.abc import Mapping

from torch import Tensor, nn

from metaopt.parameter_roles.layer_names import layer_names

#: Numbers of layers: of tables and of the weights of a raw input, and of what makes the output.
_LOWEST, _OUTPUT = 0, -1


def layers_above(params: nn.Module | Mapping[str, Tensor], roles: Mapping[str, str]) -> dict[str, int]:
    """For each parameter's name the number of layers between it and the output: 0 for the head.

    A layer is a member of a list of blocks that are like each other (`encoder.layer.3`), or a module that holds weights
    of its own. Biases and norms belong to the module or block that they are part of, else to the layer before. Tables
    and the weights of a raw input are one layer, the lowest; a table inside a block belongs to the block.

    Args:
        params: a model, or parameters by name in the order of the layers.
        roles: role by name, as `metaopt.roles` finds them.
    """
    names = [name for name, _ in params.named_parameters()] if isinstance(params, nn.Module) else list(params)
    layers, numbers = layer_names(names), dict[str, int]()
    layer_of: dict[str, int] = {}
    for name in names:
        layer, role = layers[name], roles[name]
        if role == "head" or (role in ("embedding", "input") and numbers.get(layer, _LOWEST) == _LOWEST):
            layer_of[name] = _OUTPUT if role == "head" else _LOWEST
            numbers.setdefault(layer, layer_of[name])
        elif role != "vector":
            if role == "matrix" and numbers.get(layer, _LOWEST) == _LOWEST:
                numbers[layer] = max([_LOWEST, *numbers.values()]) + 1
            layer_of[name] = numbers[layer]
    last = _LOWEST
    for name in names:
        # Norms stand before the weights of their blocks, too.
        last = layer_of.setdefault(name, numbers.get(layers[name], last))
    used = sorted(set(layer_of.values()) - {_OUTPUT})
    above = {layer: len(used) - 1 - place + ("head" in roles.values()) for place, layer in enumerate(used)}
    return {name: above.get(layer_of[name], 0) for name in names}
