"""Whether a run's scheduler is to move: once for each step of the optimizer, however often a host steps it."""

import warnings
from dataclasses import dataclass, field
from typing import final

#: Scheduler steps without one of the optimizer, in a row, that show that it is another optimizer that steps.
WAITING = 100
#: Optimizer steps before a scheduler's first one that show that it counts something else, such as epochs.
RARE = 10


@final
@dataclass(eq=False)
class StepDue:
    """Counts the optimizer's steps until its scheduler has followed.

    Attributes:
        count: steps of the optimizer that the scheduler has yet to follow.
    """

    count: int = 0
    _num_waits: int = field(default=0, init=False)
    _has_followed: bool = field(default=False, init=False)

    def follow(self) -> bool:
        """Whether the scheduler, which was stepped, is to move: not after a step that a `GradScaler` skipped.

        Warns:
            UserWarning: it was stepped a hundred times in a row, and the optimizer was not; or the optimizer ten times
                and more before it was for the first time.
        """
        num_due, self.count = self.count, 0
        if num_due == 1 and self._has_followed:
            self._num_waits = 0
            return True
        self._num_waits = 0 if num_due else self._num_waits + 1
        if num_due >= RARE and not self._has_followed:
            warnings.warn(
                f"The optimizer took {num_due} steps before the scheduler's first: call scheduler.step() after "
                "every training step, for total_steps counts these; once an epoch, rates stay where they begin.",
                UserWarning,
                stacklevel=4,
            )
        self._has_followed = True
        if self._num_waits == WAITING:
            warnings.warn(
                f"The run's scheduler was stepped {WAITING} times in a row without a step of run.optimizer: hand the "
                "host run.optimizer itself and no copy of it, or look why a GradScaler skips all steps.",
                UserWarning,
                stacklevel=4,
            )
        return num_due > 0
