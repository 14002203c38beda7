"""A run's steps under Hugging Face Accelerate: one for each batch that the accelerator accumulates."""

from typing import Any, Protocol, final

import torch
from torch import Tensor, nn

from metaopt.errors import InputError, quoted


class Accelerator(Protocol):
    """What is used of an `accelerate.Accelerator`."""

    @property
    def gradient_state(self) -> Any:
        """Says in `sync_gradients` whether this micro-batch is the last of a step."""

    @property
    def distributed_type(self) -> Any:
        """What shares the model among processes."""

    def prepare(self, *parts: Any) -> Any:
        """Wrap parts of a training."""

    def unwrap_model(self, model: Any) -> Any:
        """The module inside."""


def checked_accelerator(accelerator: Any) -> Accelerator:
    """An accelerator that leaves parameters where they are.

    Raises:
        InputError: it is none, or it shards the model.
    """
    names = ("gradient_state", "distributed_type", "prepare", "unwrap_model")
    if not all(hasattr(accelerator, name) for name in names):
        raise InputError(f"accelerator must be an accelerate.Accelerator, got {quoted(accelerator)}.")
    kind = str(getattr(accelerator.distributed_type, "value", accelerator.distributed_type))
    if kind != "NO" and not kind.startswith("MULTI_"):
        raise InputError(
            f"bind(accelerator=...) is for one process or DDP, and this accelerator is of the kind {kind}, which "
            "replaces the parameters: prepare the model first, and bind without accelerator=."
        )
    return accelerator  # type: ignore[no-any-return]


def unwrapped(model: Any, accelerator: Accelerator) -> Any:
    """The module that an accelerator may have wrapped; anything else as it is."""
    return accelerator.unwrap_model(model) if isinstance(model, nn.Module) else model


@final
class Accumulation:
    """The loss of a step, the mean over the micro-batches that an accelerator accumulates for it.

    Args:
        gradient_state: the accelerator's, which says which micro-batch is a step's last.
    """

    def __init__(self, gradient_state: Any) -> None:
        self._gradients = gradient_state
        self._total: Tensor | float = 0.0
        self._count = 0
        self._examples = 0.0

    @property
    def ends(self) -> bool:
        """Whether the present micro-batch is the last of its step."""
        return bool(self._gradients.sync_gradients)

    def add(self, loss: Tensor, num_examples: float | None = None) -> tuple[Tensor, float | None]:
        """Take in the loss of a micro-batch, 0-d, and how many examples it has, where that is known.

        Returns:
            Of the step so far: the mean, in float32 at least, of losses that weigh the same, as their gradients do; and
            the number of examples.
        """
        self._total = self._total + loss.to(torch.promote_types(loss.dtype, torch.float32))
        self._count += 1
        self._examples += num_examples or 0.0
        mean, examples = self._total / self._count, None if num_examples is None else self._examples
        if self.ends:
            self._total, self._count, self._examples = 0.0, 0, 0.0
        return mean, examples
