"""What a training, a tuning or a meta-training reports while it works, and to whom."""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from metaopt.errors import InputError, first_line, quoted

#: Who reports.
Reports: TypeAlias = Literal["run", "tune", "meta_train"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a run, `metaopt.tune` or `metaopt.meta_train` reports to what was given as `watch=`.

    A run reports `"step"` (`rate`; `loss` and `gradient_norm` where they are known), `"validation"` (`metric`, and the
    stopper's signals), `"best"`, `"skipped"`, `"handover"`, `"stop"` and `"finish"`. `tune` reports `"evaluation"` (a
    finished training), `"score"` (what it is worth), `"candidate"` (its objective) and `"result"`; `meta_train`
    `"step"` and `"validation"`.

    Attributes:
        source: `"run"`, `"tune"` or `"meta_train"`.
        kind: what happened.
        step: optimizer steps taken; of `tune` a count of evaluations, or the candidate's number; of `meta_train`
            iterations.
        numbers: by name; they may be NaN or infinite.
        why: one sentence, or empty.
        labels: what it is about, by name: `task`, `candidate`.
    """

    source: Reports
    kind: str
    step: int
    numbers: Mapping[str, float] = field(default_factory=dict)
    why: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


#: What `watch=` takes: something that is called with each event, or several of them.
Watch: TypeAlias = Callable[[Event], object] | Sequence[Callable[[Event], object]]


class Reporter:
    """Hands events to whom they were asked for; in a process group only rank 0 does.

    One that raises is not called again, with a warning: no logger is worth a training. Copies, and what is unpickled,
    report to nobody.

    Args:
        source: who reports.
        watch: whom to call, or None.

    Raises:
        InputError: it cannot be called, nor are its elements.
    """

    def __init__(self, source: Reports, watch: Watch | None = None) -> None:
        self._source: Reports = source
        listeners = [] if watch is None else [watch] if callable(watch) else watch
        wrong = [listeners] if not isinstance(listeners, list | tuple) else [x for x in listeners if not callable(x)]
        if wrong:
            rule = "watch must be a function that takes a metaopt.Event, or several"
            raise InputError(f"{rule}, got {quoted(wrong[0])}.")
        self._listeners = list(listeners)

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def __getstate__(self) -> dict[str, Any]:
        return {"_source": self._source, "_listeners": []}

    def __call__(
        self,
        kind: str,
        step: int,
        numbers: Mapping[str, float] | None = None,
        why: str = "",
        **labels: str,
    ) -> None:
        """Report an event.

        Warns:
            RuntimeWarning: a listener raised, and is off from now on.
        """
        if not self._listeners or _rank() != 0:
            return
        event = Event(self._source, kind, step, numbers or {}, why, labels)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as error:
                self._listeners.remove(listener)
                raised = f"raised {type(error).__name__}: {first_line(error)}"
                warnings.warn(
                    f"The logger {quoted(listener)} {raised}; it is not called again, and training goes on.",
                    RuntimeWarning,
                    stacklevel=3,
                )


def _rank() -> int:
    from torch import distributed

    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


def to_stderr(line: str) -> None:
    """Say a line where it does not mix with results."""
    print(line, file=sys.stderr)
