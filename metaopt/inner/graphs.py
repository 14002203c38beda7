"""What populations share: graphs of tasks and rules, and which tasks can be vmapped."""

from typing import final
from weakref import WeakKeyDictionary

from metaopt.contracts import Task
from metaopt.inner.gradients.vmapped import VmappedTask
from metaopt.inner.updates.rule_step import RuleGraphs
from metaopt.inner.vmappable import loop_reason


@final
class Graphs:
    """Graphs for any number of populations: they live as long as this object, those of a task no longer than the task.

    Making a graph takes milliseconds where operations are replayed, seconds where they are compiled. Whoever trains
    several populations holds one of these and gives it to each call of `train`.

    Attributes:
        rules: graphs of rules.
    """

    def __init__(self) -> None:
        self.rules = RuleGraphs()
        self._tasks: WeakKeyDictionary[Task, VmappedTask] = WeakKeyDictionary()
        self._loop_reasons: WeakKeyDictionary[Task, str | None] = WeakKeyDictionary()

    def of_task(self, task: Task) -> VmappedTask:
        """The task's loss and metric as functions of many members, with their graphs."""
        vmapped = self._tasks.get(task)
        if vmapped is None:
            vmapped = self._tasks[task] = VmappedTask(task, task.build(0))
        return vmapped

    def share(self, task: Task, other: Task) -> None:
        """Let a task use the graphs of another one, from which it differs only in how long it is trained."""
        self._tasks[task] = self.of_task(other)

    def loop_reason(self, task: Task) -> str | None:
        """See `loop_reason`; found out once for each task."""
        if task not in self._loop_reasons:
            self._loop_reasons[task] = loop_reason(task)
        return self._loop_reasons[task]
