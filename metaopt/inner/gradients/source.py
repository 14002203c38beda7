"""Where a population's gradients and validation values come from."""

from typing import Protocol

from torch import Tensor

from metaopt.contracts import Params, Split, Splits
from metaopt.inner.updates.layout import Flats


class GradientSource(Protocol):
    """Computes gradients and metrics of all members of a population."""

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
