"""How many layers lie above each parameter, for rates that fall from the output down."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from torch import Tensor, nn

from metaopt.parameter_roles.names import bare_name

Path: TypeAlias = tuple[str, ...]

#: Numbers of layers: of tables and of the weights of a raw input, and of what makes the output.
_LOWEST, _OUTPUT = 0, -1
#: Members of a list are alike where at least this part of the names of their children is common to both: blocks of one
#: list differ in a shortcut or in their mixer, a backbone and its head in all.
_COMMON = 1 / 3
#: What stages of a backbone call their lists of blocks; other lists inside of a block, as of experts, are parts of it.
_BLOCKS = frozenset(["block", "blocks", "layer", "layers"])
#: What stands below a layer for tensors that make or adapt its weight.
_BELOW_LAYER = ("parametrizations", "base_layer", "lora_")


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


def layer_names(names: Iterable[str]) -> dict[str, str]:
    """For each parameter's name that of its layer: of a block, else of its module; its own where it has none.

    A block is a member of the outermost list of which another member is like it. A list of lists of blocks is gone
    into, and so is a list of stages, which have several blocks under that name (`stages.0.blocks.1`), and one whose
    members are unlike each other, such as a backbone and a head.

    Args:
        names: of all parameters of a model.

    Example:
        >>> layer_names(["0.0.weight", "0.1.weight", "1.weight"])
        {'0.0.weight': '0.0', '0.1.weight': '0.1', '1.weight': '1'}
    """
    paths = {name: tuple(bare_name(name).split(".")) for name in names}
    children: dict[Path, set[str]] = defaultdict(set)
    for path in paths.values():
        for end, part in enumerate(path):
            children[path[:end]].add(part)
    blocks = {path for path in list(children) if path and path[-1].isdecimal() and _is_block(path, children)}
    return {name: ".".join(_layer(path, blocks)) or name for name, path in paths.items()}


def _layer(path: Path, blocks: set[Path]) -> Path:
    end = next((end for end in range(1, len(path)) if path[:end] in blocks), 0)
    below = (place for place, part in enumerate(path[:-1]) if part.startswith(_BELOW_LAYER))
    return path[: end or next(below, len(path) - 1)]


def _is_block(path: Path, children: dict[Path, set[str]]) -> bool:
    others = _others(path, children)
    if not others:
        # A model of one block has a list of its own for it; a Sequential inside another is a wrapper.
        return len(path) > 1 and not path[-2].isdecimal()
    lists = [path, *((*path, part) for part in children[path] & _BLOCKS)]
    return any(_are_alike(path, other, children) for other in others) and not any(
        _is_list_of_blocks(own, children) for own in lists
    )


def _is_list_of_blocks(path: Path, children: dict[Path, set[str]]) -> bool:
    """Whether all children of a module are numbered, and two of several modules each are alike."""
    members = [(*path, part) for part in children[path]]
    if not all(part.isdecimal() for part in children[path]):
        return False
    large = [member for member in members if any(children.get((*member, part)) for part in children.get(member, ()))]
    return any(_are_alike(one, other, children) for one in large for other in _others(one, children))


def _others(path: Path, children: dict[Path, set[str]]) -> list[Path]:
    """The other members of the list that a module stands in."""
    return [(*path[:-1], part) for part in sorted(children[path[:-1]]) if part.isdecimal() and part != path[-1]]


def _are_alike(one: Path, other: Path, children: dict[Path, set[str]]) -> bool:
    own, others = children.get(one, set()), children.get(other, set())
    if any(part.isdecimal() for part in own | others):
        # Numbers say nothing about what they count.
        return own == others and all(
            _are_alike((*one, part), (*other, part), children) for part in own if (*one, part) in children
        )
    return len(own & others) >= _COMMON * len(own | others) > 0
