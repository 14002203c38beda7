"""Weights of the rule or learner that a study of few-shot tasks chose: one meta-training on all tasks together."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from metaopt.configuration import Assembly, assemble
from metaopt.contracts import AnyTask, FewShotTask
from metaopt.files import replace_file
from metaopt.meta import Trainer, has_checkpoint, has_checkpoint_of, learned_recipe
from metaopt.recipe import Recipe
from metaopt.tuning.executors.dispatcher import Dispatcher
from metaopt.tuning.executors.protocol import Block, Shared
from metaopt.tuning.running.evaluator import Evaluator


def with_weights(
    recipe: Recipe,
    tasks: Sequence[AnyTask],
    evaluator: Evaluator,
    *,
    seed: int,
    folder: Path | None,
    train: bool = True,
) -> Recipe:
    """The recipe with weights, meta-trained on all few-shot tasks together, if its rule is learned and has none.

    Args:
        recipe: what a search found.
        tasks: of the study, at their whole budgets.
        evaluator: of the study: where its other trainings ran, this one runs.
        seed: of the meta-training.
        folder: of the study's checkpoints.
        train: False to take weights from finished checkpoints alone.
    """
    assembly = assemble(recipe.configuration, evaluator.registry)
    few = [task for task in tasks if isinstance(task, FewShotTask)]
    if (assembly.meta is None and assembly.learner is None) or not few:
        return recipe
    trainer = Trainer(assembly, few, seed=seed)
    place = None if folder is None else _place(folder, trainer.identity)
    if not (train or has_checkpoint(place)):
        return recipe
    with ExitStack() as stack:
        if train and evaluator.workers is not None and evaluator.workers.is_elsewhere:
            place = place or Path(stack.enter_context(TemporaryDirectory()))
            _train_there(evaluator.workers, assembly, few, seed, place)
        trained = trainer.train(place)
    learned = learned_recipe(recipe.configuration, trained, few, evaluator.registry, seed, recipe.provenance)
    return replace(learned, stopper=recipe.stopper, num_validations=recipe.num_validations)


def _place(folder: Path, identity: str) -> Path:
    """Where this meta-training is: a study that goes on may choose another rule. Once there was room for one alone."""
    return folder if has_checkpoint_of(folder, identity) else folder / identity


def _train_there(
    workers: Dispatcher, assembly: Assembly, tasks: Sequence[FewShotTask], seed: int, folder: Path
) -> None:
    """Have the folder hold the last checkpoint: what it has so far goes there, what it shall have comes back."""
    names = " ".join(task.name for task in tasks)
    block = Block(
        f"The meta-training of the recipe on {names}",
        _to_the_end,
        (assembly, seed, _files(folder)),
        shared=Shared(" ".join(task.fingerprint for task in tasks), tasks),
        resources={
            name: max(task.resources.get(name, 0.0) for task in tasks) for task in tasks for name in task.resources
        },
    )
    for _, files in workers.results([block]):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            replace_file(folder / name, content)


def _to_the_end(
    tasks: Sequence[FewShotTask], assembly: Assembly, seed: int, files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The folder's files once the meta-training has ended, from those that are given."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in files.items():
            (folder / file).write_bytes(content)
        Trainer(assembly, tasks, seed=seed).train(folder)
        return _files(folder)


def _files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*.pt"))}
