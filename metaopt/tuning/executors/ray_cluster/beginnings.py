"""What becomes of workers that are to begin: a user hears of it where nothing does, and none are begun for ever."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from metaopt.tuning.executors.protocol import ExecutorError
from metaopt.tuning.executors.ray_cluster.refusals import WAITING, no_beginning

#: After how long without any worker that has begun it is said.
_QUIET_SECONDS = 30.0
#: So many workers in a row that die before they have begun are no accident, once they did for longer than a machine
#: takes to go away.
_FAILURES, _FAILING_SECONDS = 5, 30.0


@dataclass
class Beginnings:
    """Of the workers of a study.

    Attributes:
        announce: told in one line, once, where none has begun for a while.
    """

    announce: Callable[[str], None]
    _waiting_since: float = field(default=math.inf, init=False)
    _has_told: bool = field(default=False, init=False)
    _failures: list[float] = field(default_factory=list, init=False)

    def wait(self) -> None:
        """A block waits for a worker, and none has begun."""
        now = time.monotonic()
        self._waiting_since = min(self._waiting_since, now)
        if not self._has_told and now - self._waiting_since > _QUIET_SECONDS:
            self.announce(WAITING)
            self._has_told = True

    def succeed(self) -> None:
        """A worker has begun."""
        self._waiting_since = math.inf
        self._failures.clear()

    def fail(self, error: Exception) -> ExecutorError | None:
        """A worker died before it had begun; what to give up with, or None to begin another one."""
        self._failures.append(time.monotonic())
        if len(self._failures) >= _FAILURES and self._failures[-1] - self._failures[0] > _FAILING_SECONDS:
            return no_beginning(len(self._failures), error)
        return None
