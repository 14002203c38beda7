"""The checkpoint that each member of a population keeps, and its metric on examples drawn with replacement."""

import torch
from torch import Tensor

from metaopt.contracts import Params, Split, Splits
from metaopt.inner.gradients.resampling import DRAWS, drawn_rows
from metaopt.inner.gradients.source import GradientSource
from metaopt.inner.updates.layout import Flats


class KeptCheckpoints:
    """Follows which parameters each member keeps.

    Args:
        source: evaluates them.
        splits: whose validation and test examples are resampled.
        count: number of members; idle rows of the population come behind them.
    """

    def __init__(self, source: GradientSource, splits: Splits, count: int) -> None:
        self._source = source
        self._splits = splits
        self._best = torch.full((count,), torch.inf, dtype=torch.float64)
        self._flats: Flats = {}
        self._metrics = {name: torch.full((count, DRAWS), torch.nan) for name in ("validation", "test")}

    def validated(self, flats: Params, validation: Tensor) -> None:
        """Note a validation.

        Args:
            flats: parameters that were validated, of shape (members, coordinates).
            validation: values of shape (members,), lower is better; not finite where a member is lost.
        """
        better = validation.double() < self._best
        if not bool(better.any()):
            return
        self._best = torch.where(better, validation.double(), self._best)
        if self._source.has_buffers:  # what belongs to a checkpoint beside the parameters is there only now
            self._measure(flats, better)
            return
        if not self._flats:
            self._flats = {key: flat.clone() for key, flat in flats.items()}
        for key, flat in flats.items():
            self._flats[key][: len(better)][better] = flat[: len(better)][better]

    def resampled(self) -> dict[str, Tensor]:
        """The metric of each member's kept checkpoint on resampled examples, shape (members, draws), by split."""
        if self._flats:
            self._measure(self._flats, torch.isfinite(self._best))
        return self._metrics

    def _measure(self, flats: Params, members: Tensor) -> None:
        for name, metrics in self._metrics.items():
            split: Split = getattr(self._splits, name)
            fresh = self._source.resampled(flats, split, drawn_rows(len(split)))[: len(members)]
            metrics[members] = fresh[members].to(metrics.dtype)
