"""What an optimizer has to say to stoppers."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from torch.optim import Optimizer


@dataclass(frozen=True)
class Told:
    """Signals from the shared state of a rule, such as a learned schedule's `stop`.

    Attributes:
        optimizer: whose first group holds the shared state, once there is any.
        entries: the entry of each signal, by the signal's name.
    """

    optimizer: Optimizer
    entries: Mapping[str, str]

    def signals(self, required: Set[str]) -> dict[str, float | None]:
        """Those that are required; None before the first step. Reading one waits for a device to finish its work."""
        shared = self.optimizer.param_groups[0].get("shared", {})
        return {
            signal: float(shared[entry]) if entry in shared else None
            for signal, entry in self.entries.items()
            if signal in required
        }
