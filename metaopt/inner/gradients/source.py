"""Where a population's gradients and validation values come from."""

from typing import Protocol

from torch import Tensor

from metaopt.contracts import Params, Split, Splits
from metaopt.inner.updates.layout import Flats


class GradientSource(Protocol):
    """Computes gradients and metrics of all members of a population.

    Attributes:
        has_buffers: whether members have state beside their parameters that changes while they train.
    """

    has_buffers: bool

    def gradients(self, flats: Params, inputs: Tensor, targets: Tensor) -> tuple[Flats, Tensor]:
        """Gradients in the layout of the parameters, and training losses, of shape (members,).

        Args:
            flats: parameters, of shape (members, coordinates).
            inputs: one batch for all members, or with a leading member axis.
            targets: likewise.
        """
        ...

    def evaluate(self, flats: Params, splits: Splits) -> tuple[Tensor, Tensor]:
        """Validation and test metrics of each member, lower is better, of shape (members,)."""
        ...

    def evidence(self, flats: Params, examples: Split) -> Tensor:
        """The signal `evidence` (see `metaopt.signals.evidence`) from training examples, of shape (members,).

        NaN where single examples' gradients cannot be had, as where a task is not vmapped.
        """
        ...

    def resampled(self, flats: Params, split: Split, rows: Tensor) -> Tensor:
        """The metric of each member on examples drawn with replacement, lower is better.

        Args:
            flats: parameters, of shape (members, coordinates).
            split: whose examples.
            rows: those of each draw, of shape (draws, examples).

        Returns:
            Shape (members, draws); NaN where the metric does not take one example after the other.
        """
        ...
