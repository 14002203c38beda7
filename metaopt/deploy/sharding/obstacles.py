"""What cannot run where ranks hold parts of the parameters, and why."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn

from metaopt.configuration import Assembly
from metaopt.deploy.optimizer.parameters import Group, Params, spares, tensors_of
from metaopt.errors import PluginError
from metaopt.shards import is_sharded


def class_obstacle(assembly: Assembly, tensors: Iterable[Tensor]) -> str | None:
    """Why an optimizer's native class cannot serve sharded parameters, as the end of a sentence, or None.

    The class does its arithmetic on DTensors, which is right where each number steps by itself. Where it looks at whole
    tensors, some of torch's operations on them fail and others round where a rank's part ends.
    """
    native, kinds = assembly.optimizer.native, {is_sharded(tensor) for tensor in tensors}
    if native is None or True not in kinds:
        return None
    if assembly.pure_rule is None:
        if native.sharded:
            return None
        return (
            f"ranks hold parts of the parameters, and nothing says that {native.path} steps these as whole ones; "
            "choose an optimizer that has a rule, or state sharded=True where its spec is made"
        )
    if assembly.bare_rule.granularity != "coordinate":
        return f"ranks hold parts of the parameters, and {native.qualname} looks at whole ones"
    if False in kinds:
        return f"ranks hold parts of some parameters and others whole, which {native.qualname} may not take together"
    return None


def check_flattened(params: Params, groups: list[Group], assembly: Assembly) -> None:
    """Refuse what looks at shapes or at whole tensors where `FullyShardedDataParallel` has flattened parameters.

    Raises:
        PluginError: it does; the message says what.
    """
    if not _is_flattened(params, tensors_of(groups)):
        return
    what = _needs_whole(assembly)
    if what is not None:
        raise PluginError(
            f"FullyShardedDataParallel has laid the parameters end to end, and {what}; shard the model with "
            "torch.distributed.fsdp.fully_shard, which keeps their shapes."
        )


def _needs_whole(assembly: Assembly) -> str | None:
    """What of an assembly looks at more than single numbers, with a verb, or None."""
    rule = assembly.pure_rule
    if rule is None:
        return f"nothing says that {assembly.optimizer.name!r} steps each number by itself"
    if rule.granularity != "coordinate":
        return f"{assembly.title!r} looks at whole tensors"
    if "gradient_norm" in assembly.rule_requires:
        return f"{assembly.title!r} looks at the norm of all gradients"
    if assembly.has_roles or spares(assembly):
        return "roles and no_decay='1d' look at their shapes"
    if any(any(law.exponents.values()) for law in assembly.configuration.rate_law.values()):
        return "a law of rates counts them"
    if assembly.controller.required(assembly.controller_values) & {"gradient_norm", "agreement"}:
        return f"the controller {assembly.controller.name!r} looks at all gradients"
    return None


def flattened_modules(model: nn.Module) -> Iterator[Any]:
    """The modules whose parameters `FullyShardedDataParallel` has laid end to end."""
    package: Any = sys.modules.get("torch.distributed.fsdp")
    if package is not None:
        yield from (module for module in model.modules() if isinstance(module, package.FullyShardedDataParallel))


def _is_flattened(params: Params, tensors: Iterable[Tensor]) -> bool:
    if isinstance(params, nn.Module):
        return any(True for _ in flattened_modules(params))
    return any(getattr(tensor, "_is_flat_param", False) for tensor in tensors)
