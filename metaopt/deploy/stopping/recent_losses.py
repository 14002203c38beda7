"""Training losses since the last observation, without waiting for the device at each step."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class RecentLosses:
    """The last training loss and the mean of those since `clear`."""

    def __init__(self) -> None:
        self._last: Tensor | None = None
        self._total: Tensor | None = None
        self._count = 0

    def add(self, loss: Tensor, *, total: bool) -> None:
        """Note a 0-d loss; `total` says whether anybody will ask for the mean."""
        self._last = loss
        if total:
            value = loss.to(torch.promote_types(loss.dtype, torch.float32))
            self._total = value if self._total is None else self._total + value
            self._count += 1

    def mean(self) -> float | None:
        """Mean since `clear`, or None where there is none."""
        return None if self._total is None else float(self._total) / self._count

    def finite(self) -> bool:
        """Whether the last loss was finite; an unknown one counts as finite."""
        return self._last is None or bool(torch.isfinite(self._last).all())

    def clear(self) -> None:
        """Begin a new mean."""
        self._total, self._count = None, 0

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers."""
        return {"last": self._last, "total": self._total, "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`."""
        last, total = (None if state[key] is None else torch.as_tensor(state[key]) for key in ("last", "total"))
        count = int(state["count"])
        if (total is None) != (count < 1) or any(one is not None and one.numel() != 1 for one in (last, total)):
            raise ValueError(f"there are {count} losses, and their sum is {total}")
        self._last, self._total, self._count = last, total, count
