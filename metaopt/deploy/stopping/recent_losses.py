"""Training losses since the last validation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(eq=False)
class RecentLosses:
    """The last training loss, and the mean of the losses since `clear`."""

    _last: Tensor | None = field(default=None, init=False)
    _total: Tensor | None = field(default=None, init=False)
    _count: int = field(default=0, init=False)
    _others_are_finite: bool = field(default=True, init=False)

    def add(self, loss: Tensor, *, total: bool) -> None:
        """Note a 0-d loss; `total` says whether the mean will be asked for."""
        self._last = loss
        if total:
            value = loss.to(torch.promote_types(loss.dtype, torch.float32))
            self._total = value if self._total is None else self._total + value
            self._count += 1

    def mean(self) -> float | None:
        """Mean since `clear`, or None where there is none."""
        return None if self._total is None else float(self._total) / self._count

    def finite(self) -> bool:
        """Whether the last loss was finite, on every rank that said so; an unknown one counts as finite."""
        return self._others_are_finite and (self._last is None or bool(torch.isfinite(self._last).all()))

    def note_others(self, finite: bool) -> None:
        """Note, until `clear`, whether the last losses of other ranks were finite."""
        self._others_are_finite = finite

    def clear(self) -> None:
        """Begin a new mean."""
        self._total, self._count, self._others_are_finite = None, 0, True

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers."""
        return {"last": self._last, "total": self._total, "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`."""
        last, total = (None if state[key] is None else torch.as_tensor(state[key]).clone() for key in ("last", "total"))
        count = int(state["count"])
        if (total is None) != (count < 1) or any(loss is not None and loss.numel() != 1 for loss in (last, total)):
            raise ValueError(f"there are {count} losses, and their sum is {total}")
        self._last, self._total, self._count = last, total, count
