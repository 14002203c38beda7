"""What is meta-trained, as the outer loop sees it: first weights, and for each task an estimator of the gradient."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import torch

from metaopt.configuration import Assembly
from metaopt.contracts import FewShotTask, MetaTraining, Partition, Tensors, check_trains
from metaopt.errors import InputError
from metaopt.inner import Compile
from metaopt.learners import Backbone, Comparison
from metaopt.meta.estimators.choice import graph_mode, new_estimator
from metaopt.meta.estimators.comparing import Classifying, Comparing, is_learned, labelled_source
from metaopt.meta.estimators.contract import Estimator
from metaopt.meta.inner_loop import InnerLoop, inner_steps
from metaopt.meta.unrolls import Unrolls
from metaopt.meta.vmapped_episode import check_adapts
from metaopt.plugin import LearnerSpec, OptimizerSpec, WrapperSpec
from metaopt.space import Value


@dataclass(frozen=True, eq=False)
class Subject:
    """What is meta-trained on some tasks.

    Attributes:
        spec: the plugin whose weights are learned.
        values: hyperparameters of meta-training.
        first: weights before it.
        estimators: one a task, made from weights.
        num_steps: of an inner loop, one a task.
        loop_reasons: why a task's episodes go one after the other, by its name; None where they are side by side.
        is_logarithmic: whether logarithms are minimised, so that validations of several tasks are averaged so.
    """

    spec: OptimizerSpec | WrapperSpec | LearnerSpec
    values: Mapping[str, Value]
    first: Tensors
    estimators: Callable[[Tensors], Sequence[Estimator]]
    num_steps: Sequence[int]
    loop_reasons: Mapping[str, str | None]
    is_logarithmic: bool = False


def subject_of(
    assembly: Assembly, tasks: Sequence[FewShotTask], seed: int, device: torch.device, compile: Compile, memory: int
) -> Subject:
    """What an assembly learns from tasks; see `Trainer` for the arguments and what it raises."""
    for task in tasks:
        check_trains(task.name, task.build(0))
    if assembly.learner is not None:
        return _learner(assembly, assembly.learner, tasks, seed, device)
    return _rule(assembly, tasks, seed, device, compile, memory)


def _rule(
    assembly: Assembly, tasks: Sequence[FewShotTask], seed: int, device: torch.device, compile: Compile, memory: int
) -> Subject:
    spec, meta = _learned(assembly)
    values = assembly.meta_values
    loops = [InnerLoop(task, assembly, values["order"] == "first", device) for task in tasks]
    for loop in loops:
        for partition in get_args(Partition):
            episode = loop.task.sample(partition, 1, torch.Generator().manual_seed(seed))
            check_adapts(loop, episode.to(device))
    generator = torch.Generator().manual_seed(seed)
    parameters = dict(tasks[0].build(seed).named_parameters())
    by_depth = {name: parameters[name].detach() for name in loops[0].names_by_depth}
    first = meta.init_theta(by_depth, generator, values)
    if loops[0].learns_start({name: weights.to(device) for name, weights in first.items()}):
        _check_alike(spec, tasks, "one start", [loop.parameters for loop in loops])
    steps = [inner_steps(assembly, task) for task in tasks]

    def estimators(theta: Tensors) -> Sequence[Estimator]:
        modes = [graph_mode(task, meta, count, compile) for task, count in zip(tasks, steps, strict=True)]
        unrolls = [Unrolls(loop, theta, mode, memory) for loop, mode in zip(loops, modes, strict=True)]
        return [new_estimator(meta, values, own, theta, count) for own, count in zip(unrolls, steps, strict=True)]

    return Subject(
        spec,
        values,
        first,
        estimators,
        steps,
        {loop.task.name: loop.loop_reason for loop in loops},
        meta.objective == "log_trajectory",
    )


def _learner(
    assembly: Assembly, spec: LearnerSpec, tasks: Sequence[FewShotTask], seed: int, device: torch.device
) -> Subject:
    comparisons = [comparison_on(assembly, spec, task, seed) for task in tasks]
    generator = torch.Generator().manual_seed(seed)
    classes = 0 if spec.classify is None else labelled_source(tasks[0], f"{spec.name!r}").trained_classes
    every = [comparison.init_theta(generator, classes) for comparison in comparisons]
    _check_alike(spec, tasks, "one embedding", every)
    if not any(is_learned(name, weights) for name, weights in every[0].items()):
        raise InputError(f"{spec.name!r} has nothing to learn here: the features depend on no weights that train.")
    for comparison in comparisons:
        comparison.backbone.module.to(device)
    made = [Comparing(task, own, device) for task, own in zip(tasks, comparisons, strict=True)]
    for own in made:
        own.check(every[0])
    if spec.classify is not None and len(tasks) > 1:
        raise InputError(
            f"{spec.name!r} trains features on the classes of one task, and there are {len(tasks)}; meta-train on them "
            "apart."
        )
    estimators: Sequence[Estimator] = made if spec.classify is None else [Classifying(own) for own in made]
    loop_reasons = {task.name: own.loop_reason for task, own in zip(tasks, comparisons, strict=True)}
    return Subject(spec, assembly.meta_values, every[0], lambda theta: estimators, [1] * len(tasks), loop_reasons)


def comparison_on(assembly: Assembly, spec: LearnerSpec, task: FewShotTask, seed: int = 0) -> Comparison:
    """A learner on the features of a task's fresh model."""
    statistics = assembly.meta_values["batch_norm"]
    try:
        backbone = Backbone(
            task.build(seed),
            task.examples[0][:2],
            task.features,
            statistics,  # type: ignore[arg-type]
            assembly.meta_values.get("precision", "float32"),  # type: ignore[arg-type]
        )
    except InputError as error:
        raise InputError(f"Task {task.name!r}: {error}") from error
    return Comparison(spec, assembly.meta_values, backbone)


def _check_alike(
    spec: OptimizerSpec | WrapperSpec | LearnerSpec, tasks: Sequence[FewShotTask], what: str, every: Sequence[Tensors]
) -> None:
    """Refuse tasks whose models differ in what they share."""
    shapes = [{name: tuple(tensor.shape) for name, tensor in tensors.items()} for tensors in every]
    for task, own in zip(tasks, shapes, strict=True):
        wrong = sorted(name for name in {*own, *shapes[0]} if own.get(name) != shapes[0].get(name))
        if wrong:
            raise InputError(
                f"{spec.name!r} learns {what} for all tasks, but {wrong[0]!r} has shape {shapes[0].get(wrong[0])} in "
                f"{tasks[0].name!r} and {own.get(wrong[0])} in {task.name!r}; meta-train on them apart."
            )


def _learned(assembly: Assembly) -> tuple[OptimizerSpec | WrapperSpec, MetaTraining]:
    if assembly.learned is None or assembly.meta is None:
        raise InputError(f"{assembly.title!r} is not learned: there is nothing to meta-train.")
    return assembly.learned, assembly.meta
