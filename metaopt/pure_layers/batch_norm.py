"""Batch norm without running statistics that are written in place: whose statistics it uses is a policy.

Running statistics are state that a vmapped inner loop would share between tasks, and that an adapted copy would leave
behind in the model it was made from. So batch norm layers are replaced by pure ones.
"""

import copy
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from metaopt.contracts import BatchNormPolicy
from metaopt.errors import InputError
from metaopt.pure_layers.norms import by_channel, normalized


class EpisodeNorm(nn.Module):
    """A batch norm layer that remembers nothing: (x − mean) / √(variance + ε) · weight + bias, a channel at a time.

    Args:
        layer: what it stands for; weight, bias and running statistics are the same tensors.
        policy: `"batch"`: mean and variance of the examples at hand; `"support"`: those of the first `rows` examples;
            `"frozen"`: the layer's running ones.

    Attributes:
        rows: leading examples that belong to the support set; None for all.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, layer: nn.modules.batchnorm._BatchNorm, policy: BatchNormPolicy) -> None:
        super().__init__()
        self.policy, self.eps = policy, layer.eps
        self.rows: int | None = None
        self.weight, self.bias = layer.weight, layer.bias
        if policy == "frozen":
            if layer.running_mean is None:
                raise InputError("batch_norm='frozen' needs running statistics, and a layer keeps none; use 'batch'.")
            self.register_buffer("running_mean", layer.running_mean)
            self.register_buffer("running_var", layer.running_var)

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise inputs of shape (n, channels, …)."""
        if self.policy == "frozen":
            running = self.running_mean, self.running_var
            return F.batch_norm(inputs, *running, self.weight, self.bias, training=False, eps=self.eps)
        dims = [dim for dim in range(inputs.ndim) if dim != 1]
        rows = self.rows if self.policy == "support" else None
        affine = by_channel(inputs, self.weight, self.bias)
        return normalized(inputs, inputs[:rows], dims, *affine, self.eps)


def with_policy(module: nn.Module, policy: BatchNormPolicy) -> nn.Module:
    """A copy of the model whose batch norm layers are pure; parameters keep their names."""
    copied = copy.deepcopy(module)
    if isinstance(copied, nn.modules.batchnorm._BatchNorm):
        return EpisodeNorm(copied, policy)
    for parent in list(copied.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                setattr(parent, name, EpisodeNorm(child, policy))
    return copied


def norms(module: nn.Module) -> Sequence[EpisodeNorm]:
    """The pure batch norm layers of a model."""
    return [layer for layer in module.modules() if isinstance(layer, EpisodeNorm)]


def needs_support(module: nn.Module) -> bool:
    """Whether outputs on queries depend on the support set."""
    return any(layer.policy == "support" for layer in norms(module))


class FirstRows:
    """Inside, the first `rows` examples are the support set, by whose statistics all are normalised."""

    def __init__(self, module: nn.Module, rows: int) -> None:
        self._layers, self._rows = norms(module), rows

    def __enter__(self) -> None:
        for layer in self._layers:
            layer.rows = self._rows

    def __exit__(self, *_: object) -> None:
        for layer in self._layers:
            layer.rows = None
