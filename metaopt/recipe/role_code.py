"""The plain PyTorch lines of param groups by role."""

import textwrap
from collections.abc import Mapping
from typing import Any

from metaopt.configuration import Assembly

#: Trainable numbers, for the law of a rate.
PARAMETERS = "parameters = sum(param.numel() for param in model.parameters() if param.requires_grad)"

_ROLES = '''
def roles_of(model):
    """The role of each parameter as modules and shapes tell it: look through it, and correct it for your model."""
    tables = (torch.nn.Embedding, torch.nn.EmbeddingBag)
    looked_up = {param for module in model.modules() if isinstance(module, tables) for param in module.parameters()}
    params = dict(model.named_parameters())
    roles = {name: "matrix" if param.ndim > 1 else "vector" for name, param in params.items()}
    weights = [name for name, role in roles.items() if role == "matrix"]
    if weights and params[weights[0]] not in looked_up:
        roles[weights[0]] = "input"
    if weights and params[weights[-1]] not in looked_up:
        roles[weights[-1]] = "head"
    return {name: "embedding" if params[name] in looked_up else role for name, role in roles.items()}
'''

_LAYERS = '''
def layers_above(roles):
    """How many layers lie above each parameter; members of a list of like blocks, and modules with weights."""
    children, numbers, layer_of, last = {}, {}, {}, 0
    for parts in (name.split(".") for name in roles):
        for place, part in enumerate(parts):
            children.setdefault(tuple(parts[:place]), set()).add(part)

    def is_list(path):  # of several blocks, which hold modules
        members = [(*path, part) for part in children[path]]
        return sum(any(children.get((*own, part)) for part in children.get(own, ())) for own in members) > 1

    def is_block(path):
        own, parent = children.get(path, set()), path[:-1]
        others = [children.get((*parent, part), set()) for part in children[parent] - {path[-1]} if part.isdecimal()]
        if not others:
            return len(path) > 1 and not path[-2].isdecimal()
        if any(is_list((*path, part)) for part in own & {"block", "blocks", "layer", "layers"}):
            return False
        counted = any(part.isdecimal() for part in own)
        return any(own == other if counted else 3 * len(own & other) >= len(own | other) > 0 for other in others)

    def layer(name):
        path = tuple(name.split("."))
        blocks = (path[:end] for end in range(1, len(path)) if path[end - 1].isdecimal() and is_block(path[:end]))
        return ".".join(next(blocks, path[:-1])) or name

    for name, role in roles.items():
        own = layer(name)
        if role == "head" or (role in ("embedding", "input") and numbers.get(own, 0) == 0):
            layer_of[name] = -1 if role == "head" else 0
            numbers.setdefault(own, layer_of[name])
        elif role != "vector":
            if role == "matrix" and numbers.get(own, 0) == 0:
                numbers[own] = max([0, *numbers.values()]) + 1
            layer_of[name] = numbers[own]
    for name in roles:
        last = layer_of.setdefault(name, numbers.get(layer(name), last))
    used = sorted(set(layer_of.values()) - {-1})
    above = {layer: len(used) - 1 - place + ("head" in roles.values()) for place, layer in enumerate(used)}
    return {name: above.get(layer_of[name], 0) for name in roles}
'''


def role_code(assembly: Assembly, arguments: Mapping[str, Mapping[str, Any]]) -> str:
    """`SETTINGS`, `roles_of`, and `param_groups(model, optimizer)`, whose groups an optimizer's class takes.

    Args:
        assembly: with roles.
        arguments: keyword arguments of each optimizer's class, by the optimizer's name.
    """
    depth, laws = assembly.configuration.depth_decay, assembly.configuration.rate_law
    parts = [_settings(assembly), _ROLES.strip("\n")]
    parts += [_LAYERS.strip("\n")] if depth != 1.0 else []
    decayed = [name for name, own in arguments.items() if own.get("weight_decay") or _states_decay(assembly)]
    lines = [
        "roles, groups = roles_of(model), {}",
        *_law_lines(assembly),
        *(["layers = layers_above(roles)"] if depth != 1.0 else []),
        "for name, param in model.named_parameters():",
        "    owner, own = SETTINGS.get(roles[name], SETTINGS['rest'])",
        "    own = dict(own)",
        *_fan_in_lines(assembly),
        *([f"    own['lr'] *= {depth!r} ** layers[name]"] if depth != 1.0 else []),
        *(["    own['lr'] *= laws.get(owner, 1.0)"] if laws else []),
    ]
    if assembly.configuration.no_decay == "1d" and decayed:
        lines += [
            "    if param.ndim <= 1 and 'weight_decay' not in own:",
            "        own['weight_decay'] = 0.0",
        ]
    lines += _dims_lines(assembly)
    lines += [
        "    if owner == optimizer:",
        "        groups.setdefault(repr(own), {'params': [], **own})['params'].append(param)",
        "return list(groups.values())",
    ]
    body = textwrap.indent("\n".join(lines), "    ").replace("'", '"')
    sizes = "batch_size, total_steps, " if laws else ""
    parts.append(f"def param_groups(model, {sizes}optimizer):\n{body}")
    return "\n\n\n".join(parts)


def _settings(assembly: Assembly) -> str:
    """What each role has of its own beside the arguments of its class."""
    lines = []
    for name, own in (*assembly.roles.items(), ("rest", assembly)):
        settings: dict[str, Any] = {"lr": own.rule_values["lr"]} if "lr" in own.rule_values else {}
        role = assembly.configuration.roles.get(name)
        if role is not None and role.weight_decay is not None:
            settings["weight_decay"] = role.weight_decay
        lines.append(f"    {name!r}: ({own.optimizer.name!r}, {settings!r}),")
    joined = "\n".join(lines).replace("'", '"')
    return f"# By role: whose it is, and what it has there of its own.\nSETTINGS = {{\n{joined}\n}}"


def _law_lines(assembly: Assembly) -> list[str]:
    """What laws make of the rates in `SETTINGS`."""
    laws = assembly.configuration.rate_law
    if not laws:
        return []
    factors = ", ".join(f"{name!r}: {law.formula(1.0)}" for name, law in laws.items())
    return [PARAMETERS, f"laws = {{{factors}}}"]


def _fan_in_lines(assembly: Assembly) -> list[str]:
    """The rates of roles whose tensors are slowed by what one of their outputs sees."""
    widths = {name: role.fan_in for name, role in assembly.configuration.roles.items() if role.fan_in is not None}
    if not widths:
        return []
    return [
        f"    if roles[name] in {tuple(widths)!r} and param.ndim > 1:",
        f"        own['lr'] *= min(1.0, {widths!r}[roles[name]] * len(param) / max(param.numel(), 1))",
    ]


def _dims_lines(assembly: Assembly) -> list[str]:
    """A refusal of parameters that a class does not take; in a run the optimizer's rule steps them."""
    lines = []
    for spec in assembly.optimizers:
        if spec.native is None or spec.native.dims is None:
            continue
        dims, path = spec.native.dims, spec.native.path
        message = (
            f"{{name}} has {{param.ndim}} dimensions, and {path} takes {dims}: give it another role in "
            "roles_of, or train by metaopt, recipe.bind(model, ...), whose rule takes it."
        )
        lines += [
            f"    if owner == {spec.name!r} and param.ndim != {dims}:",
            f"        raise ValueError(f'{message}')",
        ]
    return lines


def _states_decay(assembly: Assembly) -> bool:
    return any(role.weight_decay for role in assembly.configuration.roles.values())
