"""A model's parameters by name, those that are frozen included, and names that differ by a wrapper alone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor, nn

from metaopt.configuration import Assembly
from metaopt.deploy.optimizer.parameters import Params, spare, tensors_of

#: What wrappers put into names: DataParallel, DDP and AveragedModel; torch.compile; FSDP; activation checkpoints.
_WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})


@final
@dataclass(frozen=True)
class ModelNames:
    """What a state may hold beside the parameters of an optimizer.

    Attributes:
        names: of every parameter of the model, by tensor; empty for bare parameters.
        frozen: the parameters that did not require gradients when the optimizer was made.
        groups: the param groups that the whole model would have, frozen parameters included; empty for bare parameters.
    """

    names: Mapping[Tensor, str] = field(default_factory=dict)
    frozen: tuple[Tensor, ...] = ()
    groups: tuple[tuple[Tensor, ...], ...] = ()

    @classmethod
    def of(cls, params: Params, assembly: Assembly) -> "ModelNames":
        """Of a model; nothing for anything else."""
        if not isinstance(params, nn.Module):
            return cls()
        members = list(params.named_parameters())
        whole = spare([{"params": members}], assembly)
        return cls(
            names={param: name for name, param in members},
            frozen=tuple(param for _, param in members if not param.requires_grad),
            groups=tuple(tuple(tensors_of([group])) for group in whole),
        )


def counterparts(saved: Iterable[str], own: Iterable[str]) -> dict[str, str]:
    """For each saved name the own one that is equal, or differs only by what wrappers put into it; absent where none.

    Example:
        >>> counterparts(["module.0.weight", "_orig_mod.bias", "other"], ["0.weight", "bias"])
        {'module.0.weight': '0.weight', '_orig_mod.bias': 'bias'}
    """
    known = list(own)
    exact = set(known)
    counts = Counter(_bare(name) for name in known)
    by_bare = {_bare(name): name for name in known if counts[_bare(name)] == 1}
    found = {name: name if name in exact else by_bare.get(_bare(name)) for name in saved}
    return {name: other for name, other in found.items() if other is not None}


def _bare(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)
