"""Several tasks that train one trunk together, each with a head of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from metaopt.contracts.multitask.joint_targets import JointTargets, joined
from metaopt.contracts.multitask.shared_trunk import SharedTrunk, by_name, check_names
from metaopt.contracts.stopper import Mode
from metaopt.contracts.tasks.model_task import LossFunction, called
from metaopt.contracts.tasks.task import Splits, Task
from metaopt.errors import InputError, known_keywords, listed, quoted


@dataclass(frozen=True)
class JointModel:
    """Makes the model of all tasks from torch's random generator."""

    trunk: Callable[[], nn.Module]
    heads: Mapping[str, Callable[[], nn.Module]]
    stacked: bool

    def __call__(self) -> nn.Module:
        """A fresh model."""
        return SharedTrunk(self.trunk(), {name: make() for name, make in self.heads.items()}, self.stacked)


@dataclass(frozen=True)
class SingleModel:
    """Makes a model of one task's own: trunk and head one after the other."""

    trunk: Callable[[], nn.Module]
    head: Callable[[], nn.Module]

    def __call__(self) -> nn.Module:
        """A fresh model."""
        return nn.Sequential(self.trunk(), self.head())


@dataclass(frozen=True)
class JointLosses:
    """The mean of a number that each task measures by its own function.

    Attributes:
        measures: by task, with the sign that each counts with.
        targets: how those of a joint split are taken apart.
    """

    measures: Mapping[str, tuple[float, LossFunction]]
    targets: JointTargets

    def __call__(self, outputs: Mapping[str, Tensor], targets: Tensor) -> Tensor:
        """The mean over tasks, 0-d."""
        return self.each(outputs, targets).mean()

    def each(self, outputs: Mapping[str, Tensor], targets: Tensor) -> Tensor:
        """One number a task, in their order, shape (tasks,)."""
        return torch.stack(list(self.separate(outputs, targets).values()))

    def separate(self, outputs: Mapping[str, Tensor], targets: Tensor) -> dict[str, Tensor]:
        """One number a task, 0-d, by name: their graphs do not join."""
        counts, apart = self.targets.counts(targets), self.targets.apart(targets)
        parts = zip(self.measures.items(), counts, apart, strict=True)
        return {name: sign * measure(outputs[name][:count], own) for (name, (sign, measure)), count, own in parts}


@known_keywords()
@dataclass(frozen=True, eq=False, repr=False)
class MultiTask(Task):
    """Tasks that train a shared trunk together: model k is head_k(f(x)), the loss the mean of the tasks' losses.

    Their inputs are the same tensors (several questions about one example), or have one shape (one question about
    several groups). A step sees `batch_size` examples of each task. A recipe's weighting and surgery say how the tasks'
    losses and gradients make one step; a recipe without them takes the plain mean.

    Attributes:
        name: unique within a corpus.
        family: tasks of one family resemble each other.
        tasks: ordinary tasks with distinct names; their data, losses and metrics count, and the models, batch sizes and
            budgets that they have when they are trained by themselves do not.
        trunk: makes f, such as `lambda: torch.nn.Linear(64, 32)`, from torch's random generator.
        heads: by the task's name, what makes its head; one function for all tasks; or (name, function) pairs.
        metric: see `Task`, on outputs by task and joint targets; the mean of the tasks' metrics if left out, each
            turned so that lower is better where they do not agree on that.
        mode: that of the tasks where they agree and no metric is given.
        batch_size: examples of each task in a training step.
        num_steps: see `Task`; likewise `num_validations`, `version`, `resources`.
        model: made of trunk and heads; likewise `data` and `loss` of the tasks'. Leave them out.

    Raises:
        InputError: there are no tasks, two have one name, their inputs have different shapes, or heads and tasks do not
            have the same names.
    """

    model: Callable[[], nn.Module] = cast(Any, None)  # noqa: RUF009 (filled in)
    data: Splits | Callable[[], Splits] = cast(Any, None)  # noqa: RUF009
    loss: LossFunction = cast(Any, None)  # noqa: RUF009
    tasks: Sequence[Task] = field(kw_only=True)
    trunk: Callable[[], nn.Module] = field(kw_only=True)
    heads: Any = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.redraw is not None or self.widened is not None:
            raise InputError(f"Task {quoted(self.name)}: redraw and widened are for one model; leave them out.")
        _set(self, "tasks", _checked_tasks(self.name, self.tasks))
        if not callable(self.trunk) or isinstance(self.trunk, nn.Module):
            raise InputError(
                f"Task {quoted(self.name)}: trunk must be a function that makes a module, got {quoted(self.trunk)}."
            )
        _set(self, "heads", _checked_heads(self.name, self.heads, [task.name for task in self.tasks]))
        if self.data is None:
            self._join()

    def _join(self) -> None:
        """Fill in what a task has: data, model, loss and metric."""
        stacked = _are_stacked(self.name, self.tasks)
        data, targets = joined([task.splits for task in self.tasks], stacked)
        _set(self, "data", data)
        _set(self, "model", JointModel(self.trunk, self.heads, stacked))
        _set(self, "loss", JointLosses({task.name: (1.0, task.loss) for task in self.tasks}, targets))
        if self.metric is None:
            modes: set[Mode] = {task.mode for task in self.tasks}
            _set(self, "mode", modes.pop() if len(modes) == 1 else "min")
            measures = {task.name: (task.sign * self.sign, task.metric or task.loss) for task in self.tasks}
            _set(self, "metric", JointLosses(measures, targets))

    @cached_property
    def losses(self) -> JointLosses:
        """The tasks' losses, one by one."""
        assert isinstance(self.loss, JointLosses)
        return self.loss

    def __getitem__(self, name: str) -> Task:
        """The task of this name, as it was given."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise InputError(f"Task {quoted(self.name)} has no task {quoted(name)}; it has {listed(self.heads)}.")

    def single(self, name: str) -> Task:
        """One of its tasks with a model of its own, trunk and head, and this one's batch size and budget."""
        own = self[name]
        return replace(
            own,
            model=SingleModel(self.trunk, self.heads[name]),
            batch_size=self.batch_size,
            num_steps=self.num_steps,
            num_validations=self.num_validations,
        )

    def without(self, name: str) -> "MultiTask":
        """The same with a task left out, to which the trunk is adapted afterwards."""
        left = [task for task in self.tasks if task is not self[name]]
        return MultiTask(
            name=f"{self.name} without {name}",
            family=self.family,
            tasks=left,
            trunk=self.trunk,
            heads={task.name: self.heads[task.name] for task in left},
            mode=self.mode,
            batch_size=self.batch_size,
            num_steps=self.num_steps,
            num_validations=self.num_validations,
            version=self.version,
            resources=self.resources,
        )

    def _built(self, seed: int) -> nn.Module:
        module = super()._built(seed)
        inputs, _ = self._few_examples()
        state = {layer: layer.training for layer in module.modules()}
        with torch.no_grad():
            called(self.name, "model", lambda: module.eval()(inputs))  # a head that does not fit is refused here
        for layer, training in state.items():
            layer.training = training
        return module

    def _sizes(self) -> dict[str, Any]:
        return {"tasks": len(self.tasks), **super()._sizes()}


def _set(task: MultiTask, name: str, value: Any) -> None:
    object.__setattr__(task, name, value)


def _checked_tasks(name: str, tasks: Any) -> tuple[Task, ...]:
    """Tasks with data and distinct names."""
    if not isinstance(tasks, Sequence) or isinstance(tasks, str) or not tasks:
        raise InputError(f"Task {quoted(name)}: tasks must be a list of one metaopt.Task or more, got {quoted(tasks)}.")
    for task in tasks:
        if not isinstance(task, Task) or isinstance(task, MultiTask):
            raise InputError(f"Task {quoted(name)}: each of its tasks is a metaopt.Task, got {quoted(task)}.")
    check_names([task.name for task in tasks])
    return tuple(tasks)


def _checked_heads(name: str, heads: Any, tasks: list[str]) -> dict[str, Callable[[], nn.Module]]:
    """What makes each task's head, in the order of the tasks."""
    named = dict.fromkeys(tasks, heads) if callable(heads) else by_name(heads)
    if set(named) != set(tasks):
        odd = sorted(map(str, set(named) ^ set(tasks)))[0]
        who = "a head and no task" if odd in named else "a task and no head"
        raise InputError(f"Task {quoted(name)}: {quoted(odd)} is {who}; heads go by the names of the tasks.")
    for task, make in named.items():
        if not callable(make) or isinstance(make, nn.Module):
            raise InputError(
                f"Task {quoted(name)}: the head {quoted(task)} must be a function that makes a module, so that each "
                f"seed has its own, got {quoted(make)}; write lambda: torch.nn.Linear(...)."
            )
    return {task: named[task] for task in tasks}


def _are_stacked(name: str, tasks: Sequence[Task]) -> bool:
    """Whether tasks have inputs of their own; InputError where these are not of one shape and dtype."""
    first = tasks[0].splits
    for task in tasks[1:]:
        own, other = task.splits.train.inputs, first.train.inputs
        if own.shape[1:] != other.shape[1:] or own.dtype != other.dtype:
            raise InputError(
                f"Task {quoted(name)}: its tasks share no inputs: those of {quoted(tasks[0].name)} are "
                f"{_kind(other)}, those of {quoted(task.name)} {_kind(own)}; a trunk takes one shape and dtype."
            )
    return any(not _have_same_inputs(first, task.splits) for task in tasks[1:])


def _have_same_inputs(first: Splits, second: Splits) -> bool:
    parts = [(splits.train.inputs, splits.validation.inputs, splits.test.inputs) for splits in (first, second)]
    pairs = zip(*parts, strict=True)
    return all(one is two or (one.shape == two.shape and torch.equal(one, two)) for one, two in pairs)


def _kind(inputs: Tensor) -> str:
    return f"{str(inputs.dtype).removeprefix('torch.')} of shape {tuple(inputs.shape[1:])}"
