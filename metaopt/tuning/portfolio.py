"""A few complementary recipes in the order to try them, and a choice among them by what a task looks like."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import torch
from torch import nn

from metaopt.configuration import assemble
from metaopt.contracts import AnyTask, Array, Task, default_for, num_trained
from metaopt.deploy import weights_of
from metaopt.errors import InputError, RecipeError, first_line, one_line, quoted
from metaopt.files import as_path
from metaopt.inner import Graphs, Member, train
from metaopt.plugin import Registry, current_registry
from metaopt.recipe import Recipe
from metaopt.tuning.portfolio_folder import read_recipes, save_recipes
from metaopt.tuning.running.trainings import probe_task

#: Steps of the probe whose loss is part of a task's fingerprint, and its seed.
PROBE_STEPS = 20
PROBE_SEED = 0
#: Tasks of the study that vote on a new one.
NEIGHBOURS = 5
FEATURES = ("examples", "inputs", "outputs", "parameters", "steps", "batch_size", "probe_loss_ratio")


@dataclass(frozen=True, repr=False)
class Portfolio(Sequence[Recipe]):
    """Recipes in the order to try them.

    Attributes:
        recipes: the first is the one that does best alone.
        features: of the tuning tasks (see `task_features`), shape (tasks, features).
        scores: of each recipe on each tuning task, shape (recipes, tasks).
    """

    recipes: tuple[Recipe, ...]
    features: Array
    scores: Array

    def __post_init__(self) -> None:
        if not self.recipes or self.scores.shape != (len(self.recipes), len(self.features)):
            raise InputError(
                f"A portfolio of {len(self.recipes)} recipes and {len(self.features)} tasks needs scores of shape "
                f"(recipes, tasks), got {self.scores.shape}."
            )

    @overload
    def __getitem__(self, index: int) -> Recipe: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Recipe, ...]: ...

    def __getitem__(self, index: int | slice) -> Recipe | tuple[Recipe, ...]:
        return self.recipes[index]

    def __len__(self) -> int:
        return len(self.recipes)

    def __iter__(self) -> Iterator[Recipe]:
        return iter(self.recipes)

    def __repr__(self) -> str:
        return one_line(self, recipes=[recipe.name for recipe in self.recipes], tasks=len(self.features))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Portfolio) and self.recipes == other.recipes

    def __hash__(self) -> int:
        return hash(self.recipes)

    def select(self, task: Task, registry: Registry | None = None) -> Recipe:
        """The recipe to try first on `task`.

        By the scores of the tuning tasks nearest to it, if choosing so beats the fixed order on tuning tasks that are
        left out one at a time (`selection_gain` > 0); else the first recipe.

        Args:
            task: what to train; it is probed for a few steps.
            registry: where plugins are; everything installed by default.
        """
        if self.selection_gain <= 0:
            return self.recipes[0]
        features = task_features(task, self.recipes[0], current_registry(registry))
        return self.recipes[self._nearest(features, self.features, self.scores)]

    @property
    def selection_gain(self) -> float:
        """Mean score gained by choosing by features over the first recipe, each tuning task left out in turn."""
        gains = []
        for index in range(len(self.features)):
            others = np.arange(len(self.features)) != index
            if not others.any():
                return 0.0
            chosen = self._nearest(self.features[index], self.features[others], self.scores[:, others])
            gains.append(self.scores[chosen, index] - self.scores[0, index])
        return float(np.mean(gains)) if gains else 0.0

    def save(self, directory: str | Path) -> None:
        """Write `1/`, `2/`, … with a recipe each, and `portfolio.json`.

        Whatever goes wrong, a portfolio that was there before survives.

        Raises:
            RecipeError: it cannot be written.
        """
        fields = {
            "feature_names": list(FEATURES),
            "features": self.features.tolist(),
            "scores": self.scores.tolist(),
        }
        save_recipes(self.recipes, fields, as_path(directory, "The folder of a portfolio"))

    @staticmethod
    def _nearest(features: Array, known: Array, scores: Array) -> int:
        """Position of the recipe with the best distance-weighted score among the nearest known tasks."""
        spread = np.maximum(known.std(axis=0), 1e-9)
        distances = np.square((known - features) / spread).mean(axis=1)
        nearest = np.argsort(distances, kind="stable")[:NEIGHBOURS]
        votes = 1 / (distances[nearest] + 0.1)
        return int(np.argmax(scores[:, nearest] @ votes))


def greedy_order(table: Mapping[str, tuple[object, Mapping[str, float]]], first: str, size: int) -> list[str]:
    """Keys of at most `size` configurations: after `first`, each raises the mean over tasks of the best score the most.

    Args:
        table: by key, whatever it stands for, and its score by task.
        first: key of the configuration to begin with.
        size: how many to name; fewer where no other raises the mean.
    """
    best = dict(table[first][1])
    chosen = [first]
    while len(chosen) < size:
        gains = {
            key: sum(max(score - best[task], 0.0) for task, score in scores.items())
            for key, (_, scores) in table.items()
            if key not in chosen
        }
        following = max(gains, key=lambda key: gains[key], default=None)
        if following is None or gains[following] <= 0:
            break
        chosen.append(following)
        best = {task: max(score, table[following][1][task]) for task, score in best.items()}
    return chosen


def load_portfolio(directory: str | Path) -> Portfolio:
    """Read what `Portfolio.save` wrote.

    Args:
        directory: the portfolio's folder.

    Raises:
        RecipeError: there is no portfolio, or it is damaged.
    """
    home = as_path(directory, "A portfolio")
    recipes, document = read_recipes(home)
    try:
        arrays = [np.asarray(document[key], dtype=np.float64) for key in ("features", "scores")]
        return Portfolio(recipes, *arrays)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise RecipeError(f"The portfolio in {quoted(home)} is damaged: {first_line(error)}.") from error


def task_features(task: AnyTask, recipe: Recipe, registry: Registry) -> Array:
    """What a task looks like: logarithms of its sizes, and of the loss after a few probe steps over the first loss.

    Args:
        task: black boxes have zeros everywhere; what a model or a probe fails at is zero.
        recipe: what the probe trains with.
        registry: where plugins are.

    Returns:
        Shape (7,), in the order of `FEATURES`.
    """
    if not isinstance(task, Task):
        return np.zeros(len(FEATURES))
    task = task.with_values(recipe.configuration.values)
    train_split = task.splits.train
    model = task.build(PROBE_SEED)
    sizes = (
        len(train_split),
        train_split.inputs[0].numel(),
        _output_size(task, model),
        num_trained(model),
        task.num_steps,
        task.batch_size,
    )
    logs = [float(np.log10(max(size, 1))) for size in sizes]
    return np.asarray([*logs, _probe(task, recipe, registry)])


def _output_size(task: Task, model: nn.Module) -> int:
    """Numbers that the model gives for an example; 0 where it gives something else than tensors of examples."""
    try:
        inputs, targets = (
            tensor[: task.batch_size] for tensor in (task.splits.train.inputs, task.splits.train.targets)
        )
        with torch.no_grad(), default_for(lambda: (inputs, targets)):
            return int(model(inputs)[0].numel())
    except Exception:  # a stranger's model; what is already computed must not be lost to a description
        return 0


def _probe(task: Task, recipe: Recipe, registry: Registry) -> float:
    """log10 of the training loss after the probe over the loss of the first step; 0 where it diverges or fails."""
    member = Member(assemble(recipe.configuration, registry, task.scale), PROBE_SEED)
    theta = recipe.theta if member.assembly.learned is None else weights_of(member.assembly, recipe.theta)
    graphs = Graphs()

    def last_loss(steps: int) -> float:
        trained = train(probe_task(task, steps, graphs), [member], theta=theta, graphs=graphs)
        return float(trained[0].curve.signals["train_loss"][-1])

    try:
        first, last = last_loss(1), last_loss(min(PROBE_STEPS, task.num_steps))
    except Exception:  # a stranger's model, again
        return 0.0
    ratio = last / first if first > 0 and last > 0 else 1.0
    return float(np.log10(ratio)) if np.isfinite(ratio) else 0.0
