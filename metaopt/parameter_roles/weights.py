"""A model's parameters with the modules that own them, in the order of the modules."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from metaopt.errors import InputError, quoted

#: What a parameter is by itself: looked up, one of the numbers beside the weights, a weight whose place among the
#: others says whether it is the first or the last, or one that is hidden wherever it stands.
Kind: TypeAlias = Literal["embedding", "vector", "weight", "hidden"]

_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)
_CONVOLUTIONS = nn.modules.conv._ConvNd
#: Bare parameters of modules that nobody knows, which are added to activations or stand among them.
_ADDED = re.compile(r"embed|position|(^|_)(pos|cls|mask|dist|reg)(_|$)|token|prompt")
#: Bare matrices of hand-written recurrent layers that multiply the state.
_RECURRENT = re.compile(r"^U(_\w+|[a-z])?$|(^|_)hh(_|$)")
_LORA = re.compile(r"(^|[._])lora_")


@dataclass(frozen=True)
class Weight:
    """A parameter at one of its places in a model.

    Attributes:
        name: its full name there.
        owner: full name of the module that holds it, `""` for the model itself.
        param: the tensor.
        kind: see `Kind`.
    """

    name: str
    owner: str
    param: Tensor
    kind: Kind


def weights(model: nn.Module) -> Iterator[Weight]:
    """Every parameter at every place, those of tied weights more than once, in the order of the modules.

    Raises:
        InputError: one is lazy.
    """
    for owner, module in model.named_modules(remove_duplicate=False):
        hidden = _is_within_attention(model, owner)
        for own_name, param in module._parameters.items():
            if param is not None:
                name = f"{owner}.{own_name}" if owner else own_name
                if is_lazy(param):
                    raise InputError(
                        f"The parameter {quoted(name)} is lazy and has no shape yet; run one forward pass first."
                    )
                yield Weight(name, owner, param, _kind(module, own_name, name, param, hidden))


def is_adapter(name: str) -> bool:
    """Whether a parameter is a factor of low rank beside a weight."""
    return bool(_LORA.search(name))


def fan_in_of(shape: Sequence[int]) -> int:
    """The numbers in a tensor over those of its first dimension; 1 for vectors and scalars.

    As torch's layers hold their weights: in_features of a linear layer, in_channels / groups × kernel of a convolution.

    Example:
        >>> fan_in_of((32, 3, 5, 5))
        75
    """
    return math.prod(shape[1:])


def is_repeated(model: nn.Module, owner: str) -> bool:
    """Whether a module lies within one of several members of a list that are built alike.

    Args:
        model: the model.
        owner: full name of the module.
    """
    parts = owner.split(".")
    for end in range(1, len(parts)):
        parent = model.get_submodule(".".join(parts[: end - 1]))
        if isinstance(parent, nn.ModuleList | nn.Sequential):
            own = model.get_submodule(".".join(parts[:end]))
            if sum(_build(other) == _build(own) for other in parent) > 1:
                return True
    return False


def _kind(module: nn.Module, own_name: str, name: str, param: Tensor, hidden: bool) -> Kind:
    if is_adapter(name) and param.ndim >= 2:
        return "hidden"
    if _is_table(module) and param.ndim >= 2:
        return "embedding"
    if isinstance(module, _NORMS) or type(module).__name__.endswith("Norm"):
        return "vector"
    is_known = isinstance(module, nn.Linear | nn.Bilinear | _CONVOLUTIONS)
    if param.ndim <= 1 or _is_depth_wise(module) or own_name == "weight_g":
        return "vector"
    if not is_known and _is_scale(own_name, param):
        return "vector"
    if hidden or isinstance(module, nn.MultiheadAttention) or (not is_known and _RECURRENT.search(own_name)):
        return "hidden"
    if isinstance(module, nn.RNNBase):
        return "weight" if own_name in ("weight_ih_l0", "weight_ih_l0_reverse") else "hidden"
    if is_known or own_name.startswith("weight"):
        return "weight"
    return "embedding" if _ADDED.search(own_name) else "weight"


def _is_table(module: nn.Module) -> bool:
    """Whether a module looks rows up; other people's embeddings have the same attributes as torch's."""
    return isinstance(module, nn.Embedding | nn.EmbeddingBag) or "num_embeddings" in vars(module)


def _is_scale(own_name: str, param: Tensor) -> bool:
    """Whether a tensor scales channels: shapes such as (1, channels, 1, 1), and the lengths of normalised weights."""
    return own_name == "original0" or (param.ndim > 2 and sum(size != 1 for size in param.shape) <= 1)


def _is_depth_wise(module: nn.Module) -> bool:
    """Whether a convolution treats each channel by itself."""
    return isinstance(module, _CONVOLUTIONS) and module.groups > 1 and module.groups == module.in_channels


def _is_within_attention(model: nn.Module, owner: str) -> bool:
    """Whether a module is part of torch's attention, whose output projection is neither first nor last."""
    parent = owner.rpartition(".")[0]
    return bool(owner) and isinstance(model.get_submodule(parent), nn.MultiheadAttention)


def _build(module: nn.Module) -> Any:
    return type(module), [(name, tuple(param.shape)) for name, param in module.named_parameters()]
