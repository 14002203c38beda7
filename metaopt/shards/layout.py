"""How the numbers of a tensor lie on ranks, and the ways from the part that a rank holds to the whole and back."""

import sys
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

_PLAIN = (Tensor, nn.Parameter)


def is_sharded(tensor: Tensor) -> bool:
    """Whether it is a DTensor. Torch's package for these is not imported where nobody has."""
    if type(tensor) in _PLAIN:
        return False
    package: Any = sys.modules.get("torch.distributed.tensor")
    return package is not None and isinstance(tensor, package.DTensor)


def local(tensor: Tensor) -> Tensor:
    """The part that this rank holds, without a copy, maybe without numbers; a plain tensor is its own part."""
    if not is_sharded(tensor):
        return tensor
    part: Tensor = tensor.detach().to_local()  # type: ignore[attr-defined]
    return part


def full(tensor: Tensor) -> Tensor:
    """The whole tensor, on every rank: they all have to call it. A plain tensor is whole."""
    if not is_sharded(tensor):
        return tensor
    whole: Tensor = tensor.detach().full_tensor()  # type: ignore[attr-defined]
    return whole


def settled(tensor: Tensor) -> Tensor:
    """The tensor with the summands added that ranks hold of it, as of some gradients under tensor parallelism."""
    if not is_sharded(tensor):
        return tensor
    sharded: Any = tensor
    if not any(placement.is_partial() for placement in sharded.placements):
        return tensor
    from torch.distributed.tensor import Replicate

    wanted = [Replicate() if placement.is_partial() else placement for placement in sharded.placements]
    whole: Tensor = sharded.redistribute(placements=wanted)
    return whole


def laid_as(tensor: Tensor, like: Tensor) -> Tensor:
    """The tensor on ranks as `like` is, where it has its shape at the end, else whole; all ranks have to call it."""
    layout = Layout.of(like)
    placements = None if layout is None else layout.placements_of(tensor.shape)
    if layout is None or placements is None:
        return full(tensor)
    if is_sharded(tensor):
        own: Any = tensor
        if own.device_mesh == layout.mesh:
            relaid: Tensor = own if tuple(own.placements) == placements else own.redistribute(placements=placements)
            return relaid
    return layout.shard(full(tensor))


@final
@dataclass(frozen=True)
class Layout:
    """Of a parameter, and of what has its shape at the end, such as several moments of each of its numbers.

    Attributes:
        mesh: the ranks, a `DeviceMesh`.
        placements: what each dimension of the mesh does with the tensor.
        shape: of the whole parameter.
    """

    mesh: Any
    placements: tuple[Any, ...]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> "Layout | None":
        """That of a DTensor, None of a plain tensor."""
        if not is_sharded(tensor):
            return None
        sharded: Any = tensor
        return cls(sharded.device_mesh, tuple(sharded.placements), tuple(sharded.shape))

    def placements_of(self, shape: tuple[int, ...]) -> tuple[Any, ...] | None:
        """Those of a whole tensor whose last dimensions are the parameter's, None of one of another shape."""
        ahead = len(shape) - len(self.shape)
        if ahead < 0 or not self.shape or tuple(shape[ahead:]) != self.shape:
            return None
        return tuple(_moved(placement, ahead) for placement in self.placements)

    def wrap(self, part: Tensor) -> Tensor:
        """The DTensor of which this rank holds the part; its first dimensions may be further ones."""
        from torch.distributed.tensor import DTensor

        ahead = part.ndim - len(self.shape)
        shape = torch.Size((*part.shape[:ahead], *self.shape))
        strides = torch.empty(shape, device="meta").stride()
        placements = [_moved(placement, ahead) for placement in self.placements]
        wrapped: Tensor = DTensor.from_local(part, self.mesh, placements, run_check=False, shape=shape, stride=strides)
        return wrapped

    def shard(self, whole: Tensor) -> Tensor:
        """The DTensor of a whole tensor that every rank has; one of another shape stays whole. Nothing is sent."""
        from torch.distributed.tensor import DTensor, Replicate

        placements = self.placements_of(whole.shape)
        if placements is None:
            return whole
        replicated = DTensor.from_local(whole, self.mesh, [Replicate()] * self.mesh.ndim, run_check=False)
        sharded: Tensor = replicated.redistribute(placements=placements)
        return sharded


def _moved(placement: Any, dims: int) -> Any:
    """The placement of a tensor that has so many further dimensions in front."""
    if not dims or not placement.is_shard():
        return placement
    from torch.distributed.tensor import Shard

    return Shard(placement.dim + dims)
