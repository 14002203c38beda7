"""Short hashes of texts and tensors."""

import hashlib

import torch
from torch import Tensor


def digest(*parts: str) -> str:
    """16 hex digits of some texts."""
    whole = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        whole.update(f"{len(encoded)}:".encode() + encoded)
    return whole.hexdigest()[:16]


def tensor_identity(tensor: Tensor) -> str:
    """Type, shape and bytes of a tensor; what it has of them, on the meta device or nested."""
    kind = f"tensor {tensor.dtype}"
    try:
        kind = f"{kind} {tuple(tensor.shape)}"
        plain = tensor.detach().dequantize() if tensor.is_quantized else tensor.detach()
        plain = plain.to_dense() if plain.layout != torch.strided else plain
        flat = plain.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        return digest(kind, hashlib.sha256(flat.view(torch.uint8).numpy().tobytes()).hexdigest())
    except (RuntimeError, NotImplementedError, TypeError):
        return digest(kind)
