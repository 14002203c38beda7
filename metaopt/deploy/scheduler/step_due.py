"""Whether a run's scheduler is to move: once for each step of the optimizer, however often a host steps it."""

import warnings
from typing import final

#: Scheduler steps without one of the optimizer, in a row, that show that it is another optimizer that steps.
WAITING = 100


@final
class StepDue:
    """Notes that the optimizer took a step, until its scheduler has followed."""

    def __init__(self) -> None:
        self._is_due = False
        self._num_waits = 0

    def note(self, *, taken: bool) -> None:
        """The optimizer took a step; or, where a state was loaded, it has not."""
        self._is_due = taken

    def follow(self) -> bool:
        """Whether the scheduler, which was stepped, is to move: not after a step that a `GradScaler` skipped.

        Warns:
            UserWarning: it was stepped a hundred times in a row, and the optimizer was not.
        """
        is_due, self._is_due = self._is_due, False
        self._num_waits = 0 if is_due else self._num_waits + 1
        if self._num_waits == WAITING:
            warnings.warn(
                f"The run's scheduler was stepped {WAITING} times in a row without a step of run.optimizer: hand the "
                "host run.optimizer itself and no copy of it, or look why a GradScaler skips all steps.",
                UserWarning,
                stacklevel=4,
            )
        return is_due
