"""Learned rules in a study: runs that meta-train, weights that come with a rule."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.contracts import AnyTask, Curve, FewShotTask, Partition, Task
from metaopt.deploy import weights_of
from metaopt.errors import InputError, PluginError, listed
from metaopt.meta import (
    InnerLoop,
    NeverFiniteError,
    Trainer,
    adapted_metrics,
    fingerprint,
    inner_steps,
)
from metaopt.plugin import LearnerSpec, OptimizerSpec, Registry
from metaopt.recipe import learned_start

#: What a run is judged on: by the first a study chooses, the second is reported.
PARTITIONS: tuple[Partition, Partition] = ("validation", "test")


@dataclass(frozen=True, eq=False)
class Weights:
    """Learned weights that a configuration comes with: its runs learn nothing.

    Attributes:
        theta: by name.
    """

    theta: Mapping[str, Tensor]

    @cached_property
    def fingerprint(self) -> str:
        """8 hex digits."""
        return fingerprint(self.theta)


def check_few_shots(tasks: Sequence[AnyTask], folds: int | None, held_out: Sequence[str]) -> None:
    """Refuse a corpus that mixes few-shot tasks with others, or that shall be divided.

    Raises:
        InputError: it does, or it shall, though few-shot tasks hold out classes of their own.
    """
    few_shot = [task.name for task in tasks if isinstance(task, FewShotTask)]
    others = [task.name for task in tasks if not isinstance(task, FewShotTask)]
    if few_shot and others:
        raise InputError(
            f"The corpus mixes few-shot tasks ({few_shot[0]!r}) with others ({others[0]!r}); tune them apart."
        )
    if folds is not None or held_out:
        raise InputError(
            "Few-shot tasks hold out classes (or functions) of their own, on which everything is reported; leave out "
            "--folds and --held-out."
        )


def check_have_episodes(learners: Sequence[str] | None, tasks: Sequence[AnyTask]) -> None:
    """Refuse learners on a corpus without few-shot tasks, which have nothing that is compared.

    Raises:
        InputError: learners are named, and a task is an ordinary one.
    """
    ordinary = [task.name for task in tasks if not isinstance(task, FewShotTask)]
    if learners and ordinary:
        raise InputError(
            f"Learners compare examples of episodes, and {ordinary[0]!r} is no few-shot task; take a corpus of "
            "episodes, or no learner."
        )


def check_one_task(learners: Sequence[LearnerSpec], tasks: Sequence[AnyTask]) -> None:
    """Refuse learners that train features on the classes of one task where there are several.

    Raises:
        InputError: one of the learners does, and there are.
    """
    of_classes = [spec.name for spec in learners if spec.classify is not None]
    if of_classes and len(tasks) > 1:
        raise InputError(
            f"{of_classes[0]!r} trains features on the classes of one task, and the corpus has {len(tasks)}; tune them "
            "apart, or leave it out."
        )


def check_have_rules(optimizers: Sequence[OptimizerSpec]) -> None:
    """Refuse libraries' classes without a rule, which no few-shot task can adapt with.

    Raises:
        PluginError: one of the optimizers is such a class.
    """
    without = [spec.name for spec in optimizers if spec.rule is None]
    if without:
        raise PluginError(
            f"Few-shot tasks adapt by a rule, and {listed(without)} is a library's class without one; choose others "
            "(see `metaopt plugins`)."
        )


def proposed_for_few_shots(registry: Registry) -> list[str]:
    """Learned rules that a study of few-shot tasks chooses from unless it is told which."""
    return [
        spec.name
        for spec in registry.specs(OptimizerSpec)
        if spec.proposed and spec.meta is not None and spec.meta.objective == "final" and not spec.meta.prototypes
    ]


def run_few_shot(
    task: FewShotTask, assembly: Assembly, seed: int, weights: Weights | None = None
) -> tuple[Curve, float]:
    """A run's curve and seconds: a meta-training for learned rules without weights, else one adaptation."""
    started = time.perf_counter()
    if (assembly.meta is not None or assembly.learner is not None) and weights is None:
        try:
            curve = Trainer(assembly, [task], seed=seed).train().curves[task.name]
        except NeverFiniteError:
            lost = np.asarray([np.nan])
            curve = Curve(np.asarray([float(task.num_iterations)]), lost, task.num_iterations, lost)
    else:
        curve = _adaptation(task, assembly, {} if weights is None else weights.theta, seed)
    return curve, time.perf_counter() - started


def episodes_loop_reason(task: FewShotTask, registry: Registry) -> str | None:
    """Why a task's episodes go one after the other, whatever the rule, in one line; None if they go side by side.

    None, too, where rules cannot adapt the model at all: that is told when one of them is trained.
    """
    try:
        return InnerLoop(task, assemble(Configuration("sgd"), registry)).loop_reason
    except InputError:
        return None


def shipped_weights(assembly: Assembly) -> Weights | None:
    """The weights that ship with the learned part; a plugin that ships others has another version."""
    theta = weights_of(assembly, None)
    return None if theta is None else Weights(theta)


def check_weights(assembly: Assembly, task: Task, weights: Weights | None) -> None:
    """Refuse to train an ordinary task with a learner, a learned rule without weights, or weights for another model.

    Raises:
        InputError: nothing trains, there are none, or a parameter has another name or shape than they were learned for.
    """
    check_have_episodes([assembly.title] if assembly.learner is not None else None, [task])
    if weights is not None:
        learned_start(
            assembly, weights.theta, {name: param.detach() for name, param in task.build(0).named_parameters()}
        )
    elif assembly.learned is not None:
        name = assembly.learned.name
        raise InputError(
            f"The learned rule {name!r} has no weights to train {task.name!r} with: metaopt.meta_train({name!r}, …) "
            "makes a recipe that has, which `metaopt evaluate` takes."
        )


def _adaptation(task: FewShotTask, assembly: Assembly, theta: Mapping[str, Tensor], seed: int) -> Curve:
    steps = inner_steps(assembly, task)
    values = [
        float(adapted_metrics(assembly, theta, task, task.evaluated_episodes(partition), steps, seed).mean())
        for partition in PARTITIONS
    ]
    return Curve(np.asarray([float(steps)]), np.asarray(values[:1]), steps, np.asarray(values[1:]))
