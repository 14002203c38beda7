"""`metaopt.meta_train`: one meta-training of a learned rule or a learner, from tasks to a recipe with weights."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.contracts import AnyTask, Curve, FewShotTask, Reporter, Task, Watch, default_for, num_trained, to_stderr
from metaopt.errors import InputError, checked_function, quoted
from metaopt.files import as_path
from metaopt.inner import Compile
from metaopt.meta.estimators.comparing import labelled_source
from metaopt.meta.inner_loop import inner_steps
from metaopt.meta.ranks import Ranks
from metaopt.meta.state import MetaProgress, MetaTrained
from metaopt.meta.subject import comparison_on
from metaopt.meta.task_episodes import few_shot
from metaopt.meta.trainer import Trainer
from metaopt.meta.unrolls import LIMIT
from metaopt.plugin import LearnerSpec, OptimizerSpec, Registry, current_registry
from metaopt.recipe import MadeOn, Recipe
from metaopt.space import Value
from metaopt.tasks import Source, describe_corpus, load_corpus


@dataclass(frozen=True)
class MetaTrainResult:
    """What `meta_train` returns.

    Attributes:
        recipe: the rule with its learned weights.
        curves: of each task, by name: validation and test values over iterations, lower is better.
        skipped: iterations left out because their gradient was not finite.
        seconds: of meta-training.
    """

    recipe: Recipe
    curves: Mapping[str, Curve]
    skipped: int
    seconds: float


@checked_function()
def meta_train(
    spec: str | OptimizerSpec | LearnerSpec,
    corpus: Source,
    hparams: Mapping[str, Value] | None = None,
    *,
    wrappers: Sequence[str] = (),
    controller: str = "constant",
    start: Recipe | Mapping[str, Tensor] | None = None,
    num_iterations: int | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    device: str = "cpu",
    compile: Compile = "auto",
    memory: int = LIMIT,
    registry: Registry | None = None,
    progress: Callable[[MetaProgress], None] = lambda progress: None,
    watch: Watch | None = None,
    announce: Callable[[str], None] = to_stderr,
) -> MetaTrainResult:
    """Learn the weights of a rule, or of a learner and the features that it compares, from tasks.

    Args:
        spec: a learned optimizer, or one that a learned wrapper is put around, or a learner; by name or as its spec,
            which is then registered for this session.
        corpus: whatever `metaopt.load_corpus` takes. Few-shot tasks are taken as they are, episode by episode;
            ordinary tasks as whole trainings, a fresh model and fresh batches each time. Several are taken in turn.
        hparams: of the rule and of its meta-training, by name (`outer_lr=…`, not `meta_sgd.outer_lr`); the
            controller's and wrappers' with their name (`cosine.warmup=…`).
        wrappers: wrapper plugins around the optimizer, innermost first.
        controller: a schedule that the rule is trained under, and that its recipe has.
        start: a recipe, or weights by name, to go on from; the rule's own first weights if left out.
        num_iterations: updates of the weights; the tasks' own `num_iterations` if left out.
        seed: of everything random.
        folder: of checkpoints: whoever is killed goes on from there when the same call is made again.
        device: such as `"cuda"`.
        compile: `"on"` and `"off"` decide whether graphs are compiled; `"auto"` does if counts say that it pays.
        memory: bytes that inner loops may take, roughly; what does not fit is computed again on the way back, which
            takes up to half as long again.
        registry: where plugins are; everything installed by default.
        progress: told about once a second.
        watch: a function, or several, that is called with a `metaopt.Event` as often; rank 0 alone calls it.
        announce: told in one line why a task's episodes go one after the other: `torch.vmap` cannot take its model.

    Returns:
        A recipe with the weights of the best validation, and the curves.

    Raises:
        InputError: the rule is not learned, a hyperparameter is not valid, the tasks' models differ in shape though
            the rule learns a start, the folder holds another meta-training, no gradient was finite, or a learner is
            given what it cannot compare (see `metaopt.LearnerSpec`).

    Example:
        >>> import metaopt
        >>> corpus = metaopt.load_corpus("sinusoids")
        >>> result = metaopt.meta_train("meta_sgd", corpus["sinusoids_5_shot"], num_iterations=20)
        >>> sorted(result.recipe.theta)[0]
        'rate.0.bias'
    """
    plugins = current_registry(registry)
    named = _named(spec, plugins)
    stated = {key if "." in key else f"{named.name}.{key}": value for key, value in (hparams or {}).items()}
    if isinstance(named, LearnerSpec):
        _check_alone(named.name, wrappers, controller)
        assembly = assemble(Configuration(learner=named.name, hparams=stated), plugins)
    else:
        assembly = assemble(
            Configuration(named.name, controller=controller, wrappers=tuple(wrappers), hparams=stated), plugins
        )
    loaded = load_corpus(corpus)
    tasks = [_episodic(task, assembly) for task in loaded]
    if num_iterations is not None:
        tasks = [replace(task, num_iterations=num_iterations) for task in tasks]
    theta = start.theta or {} if isinstance(start, Recipe) else start
    trainer = Trainer(assembly, tasks, seed=seed, device=device, compile=compile, memory=memory, start=theta)
    if Ranks.current().rank == 0:
        for name, reason in trainer.loop_reasons.items():
            announce(f"{name} goes through its episodes in a loop: {reason}.")
    # A corpus that cannot be described is refused before hours of training, not after them.
    source = describe_corpus(corpus, plugins)
    record = {
        "name": loaded.name,
        "fingerprint": loaded.fingerprint,
        "tasks": [task.name for task in loaded],
        **({} if source is None else {"source": source}),
    }
    if watch is not None:
        progress = _reporting(Reporter("meta_train", watch), progress)
    trained = trainer.train(None if folder is None else as_path(folder, "The folder of checkpoints"), progress)
    recipe = learned_recipe(assembly.configuration, trained, tasks, plugins, seed, {"corpus": record})
    return MetaTrainResult(recipe, trained.curves, trained.skipped, trained.seconds)


def _reporting(report: Reporter, progress: Callable[[MetaProgress], None]) -> Callable[[MetaProgress], None]:
    """Also report the progress: losses, and each validation once."""
    validated: list[float] = []

    def tell(now: MetaProgress) -> None:
        numbers = {"loss": now.objective, "gradient_norm": now.gradient_norm, "skipped": float(now.skipped)}
        report("step", now.iteration, numbers)
        if not math.isnan(now.validation) and now.validation not in validated[-1:]:
            validated.append(now.validation)
            report("validation", now.iteration, {"metric": now.validation})
        progress(now)

    return tell


def learned_recipe(
    configuration: Configuration,
    trained: MetaTrained,
    tasks: Sequence[FewShotTask],
    registry: Registry,
    seed: int,
    provenance: Mapping[str, Any] | None = None,
) -> Recipe:
    """A recipe with learned weights, and where they come from."""
    iterations = max(task.num_iterations for task in tasks)
    if trained.skipped:
        warnings.warn(
            f"{trained.skipped:,} of {iterations:,} iterations were left out, for their meta-gradient was not finite; "
            "a lower inner rate, fewer inner steps or clip=1 help.",
            RuntimeWarning,
            stacklevel=4,
        )
    assembly = assemble(configuration, registry)
    record = {
        "meta_training": {
            "tasks": {task.name: task.fingerprint for task in tasks},
            "iterations": iterations,
            **(_of_rule if assembly.learner is None else _of_learner)(assembly, tasks),
            "skipped": trained.skipped,
            "seconds": round(trained.seconds, 1),
            "seed": seed,
        },
        **(provenance or {}),
    }
    return Recipe.create(
        configuration,
        registry=registry,
        theta={name: weights.detach().cpu() for name, weights in trained.theta.items()},
        made_on=_made_on(assembly, tasks),
        provenance=record,
    )


def _of_rule(assembly: Assembly, tasks: Sequence[FewShotTask]) -> dict[str, Any]:
    """What `metaopt.adapt` goes by, for a rule."""
    return {
        "batch_norm": sorted({task.batch_norm for task in tasks}),
        "inner_steps": sorted({inner_steps(assembly, task) for task in tasks}),
    }


def _of_learner(assembly: Assembly, tasks: Sequence[FewShotTask]) -> dict[str, Any]:
    """What `metaopt.adapt` goes by, for a learner, and whether queries saw each other."""
    assert assembly.learner is not None, "a rule has no features"
    comparisons = [comparison_on(assembly, assembly.learner, task) for task in tasks]
    return {
        "features": sorted({task.features for task in tasks if task.features is not None}),
        "transductive": any(comparison.backbone.is_transductive for comparison in comparisons),
    }


def _made_on(assembly: Assembly, tasks: Sequence[FewShotTask]) -> MadeOn:
    sizes = [num_trained(task.build(0)) for task in tasks]
    parameters = (min(sizes), max(sizes))
    if assembly.learner is not None:
        return MadeOn(parameters=parameters, dtypes=("float32",))
    steps = [inner_steps(assembly, task) for task in tasks]
    batches = [task.batch_size for task in tasks if task.batch_size is not None]
    losses = [_first_loss(task) for task in tasks]
    return MadeOn(
        parameters=parameters,
        batch_size=(min(batches), max(batches)) if len(batches) == len(tasks) else None,
        horizon=(_shortest(assembly, min(steps)), max(steps)),
        dtypes=("float32",),
        loss=(min(losses), max(losses)) if all(map(math.isfinite, losses)) else None,
    )


def _shortest(assembly: Assembly, steps: int) -> int:
    """Steps of the shortest training: estimators over whole trainings begin at one truncation."""
    meta = assembly.meta
    if meta is None or meta.truncation is None or not meta.over_trainings:
        return steps
    return min(meta.truncation, steps)


@torch.no_grad()
def _first_loss(task: FewShotTask) -> float:
    """Of a fresh model on examples that are trained on."""
    episode = task.sample("train", 1, torch.Generator().manual_seed(0))
    count = task.batch_size or len(episode.support_inputs[0])
    inputs, targets = (tensor[0, :count] for tensor in (episode.support_inputs, episode.support_targets))
    with default_for(lambda: (inputs, targets)):
        return float(task.loss(task.build(0)(inputs), targets))


def _named(spec: str | OptimizerSpec | LearnerSpec, plugins: Registry) -> OptimizerSpec | LearnerSpec:
    """The plugin that is meant; a spec is registered where it is not yet."""
    if isinstance(spec, OptimizerSpec | LearnerSpec):
        if spec.name not in plugins.names(type(spec)) or plugins.get(type(spec), spec.name) != spec:
            plugins.register(spec)
        return spec
    if not isinstance(spec, str):
        raise InputError(
            f"What is meta-trained is an optimizer or a learner, by name or as its spec, got {quoted(spec)}."
        )
    is_learner, is_optimizer = (spec in plugins.names(kind) for kind in (LearnerSpec, OptimizerSpec))
    if is_learner and is_optimizer:
        raise InputError(f"{spec!r} is both a learner and an optimizer; give the spec of the one that is meant.")
    return plugins.get(LearnerSpec, spec) if is_learner else plugins.get(OptimizerSpec, spec)


def _check_alone(name: str, wrappers: Sequence[str], controller: str) -> None:
    if wrappers or controller != "constant":
        raise InputError(
            f"{name!r} is a learner, which takes no steps on a support set; leave out wrappers and controller."
        )


def _episodic(task: AnyTask, assembly: Assembly) -> FewShotTask:
    """A task as few-shot tasks, if the assembly can learn from it."""
    learner = assembly.learner
    if isinstance(task, FewShotTask):
        if learner is not None and (ways := int(assembly.meta_values.get("ways", 0))):
            classes = labelled_source(task, f"ways={ways}").trained_classes
            if not 2 <= ways <= classes:
                raise InputError(
                    f"Task {task.name!r}: ways={ways}, and meta-training has {classes:,} classes; give 2 to "
                    f"{classes:,}, or 0 for as many as the task's own episodes have."
                )
        return task
    if isinstance(task, Task):
        if learner is not None:
            raise InputError(
                f"{learner.name!r} learns from episodes, and {task.name!r} is an ordinary task; give a "
                "metaopt.FewShotTask."
            )
        return few_shot(task)
    raise InputError(
        f"Task {task.name!r} is a black box: no gradient passes through it, so nothing can be learned from it."
    )
