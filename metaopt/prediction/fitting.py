"""`metaopt.fit`: the model of a table, of images or of texts, trained by a recipe, that predicts new ones.

How long to train is measured, not assumed. A first model trains on the training rows and is validated: the step of its
best validation is kept. Where fewer than FEW rows validate, that step would be a lottery: then it is the one that is
best on the average over DIVISIONS divisions of the rows. A model begins anew on *all* rows, training, validation and
test, with the same plan, and takes as many steps. Its rates at each step are those that were validated, for more rows;
more of them want more steps rather than fewer, so none of these is one too many. What is reported is the first model's:
the last has no row left that it has not seen.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from metaopt.contracts import Mode, Task
from metaopt.errors import InputError, check_positive, check_seed, checked_function, quoted
from metaopt.prediction.labelled_examples import LabelledExamples
from metaopt.prediction.predictor import FitRecord, FittedPredictor
from metaopt.prediction.table_rows import TableRows
from metaopt.prediction.trainable import Reader, Trainable
from metaopt.prediction.training import Plan, Training, is_finite, outputs, trained
from metaopt.recipe import Recipe, as_recipe
from metaopt.seeding import seeded
from metaopt.tasks import LabelledSplits, TableSplits, metric_of, redrawn_rows, task_to_fit

_NEEDS_METRIC = "its controller follows validations, for which rows were kept"


#: With fewer validation rows than this, the best step is looked for in several divisions, as many as this.
FEW, DIVISIONS = 300, 5


@dataclass(frozen=True)
class Budget:
    """What a training may take.

    Attributes:
        batch_size: examples a step.
        num_steps: planned steps.
        num_validations: of them.
    """

    batch_size: int
    num_steps: int
    num_validations: int


@checked_function()
def fit(
    recipe: Recipe | str | Path,
    examples: Task | str | Path,
    *,
    num_steps: int | None = None,
    all_rows: bool = True,
    seed: int = 0,
    announce: Callable[[str], None] | None = None,
) -> FittedPredictor:
    """Train the model of a task as a recipe says; the result predicts new rows, images or texts.

    Args:
        recipe: a recipe, or what `metaopt.load_recipe` reads.
        examples: a task that `metaopt.load_corpus` made of a table, or of a folder of images or texts by class; or that
            file or folder itself, by which a `corpus.toml` may lie.
        num_steps: planned steps; those of the task if left out.
        all_rows: whether the model is trained anew on all rows, for as many steps as validation found best. Otherwise
            it is the validated one, and validation and test rows are left out of it.
        seed: of the model's initial weights and of its batches.
        announce: takes a sentence about each training.

    Raises:
        InputError: it is none of these, it cannot be used, or the training diverged.

    Example:
        >>> import numpy as np, pandas as pd, tempfile, metaopt
        >>> x = np.linspace(-1, 1, 60)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pd.DataFrame({"x": x, "y": 3 * x}).to_csv(f"{folder}/line.csv", index=False)
        ...     predictor = metaopt.fit("default", f"{folder}/line.csv")
        >>> predictor.predict(pd.DataFrame({"x": [0.5]})).round()
        array([2.])
    """
    recipe = as_recipe(recipe)
    task = task_to_fit(examples)
    trainable = _trainable(task)
    steps = task.num_steps if num_steps is None else num_steps
    check_positive("num_steps", steps)
    check_seed(seed)
    budget = Budget(task.batch_size, steps, recipe.num_validations or task.num_validations)
    fitter = Fitter(recipe, trainable, budget, seed, announce or (lambda line: None))
    return fitter.predictor(all_rows=all_rows)


def _trainable(task: Task) -> Trainable:
    splits = task.splits
    if isinstance(splits, TableSplits):
        return TableRows(splits)
    if isinstance(splits, LabelledSplits):
        return LabelledExamples(task, splits.source)
    raise InputError(
        f"Task {quoted(task.name)} was made from no table and no folder of images or texts, so there is no telling how "
        "new ones become inputs; train its model with recipe.bind."
    )


@dataclass(frozen=True)
class Fitter:
    """Trainings of one recipe on one task.

    Attributes:
        recipe: how.
        trainable: rows, images or texts; of those that validate and test there may be none.
        budget: see `Budget`.
        seed: of initial weights and batches.
        announce: takes a sentence about each training.
    """

    recipe: Recipe
    trainable: Trainable
    budget: Budget
    seed: int
    announce: Callable[[str], None]

    def predictor(self, *, all_rows: bool) -> FittedPredictor:
        """Train, validated and then on all rows; see `fit`.

        Raises:
            InputError: a training diverged.
        """
        train, validation, test = self.trainable.own
        if not len(validation):
            model, reader, done = self._trained(train, None, None)
            why = f"too few {reader.unit} to validate on"
            return self._result(model, reader, self._record(done, len(train), {}, why))
        model, reader, done = self._trained(train, validation, None)
        unit = reader.unit
        if done.best_step is None:
            raise InputError(
                f"{self.trainable.where}: the training by {quoted(self.recipe.name)} diverged before its first "
                "validation; use another recipe."
            )
        scores = {"validation": float(done.best_value or 0.0)}
        if len(test):
            scores["test"] = self._score(model, reader, test)
        self.announce(
            f"validated: best at step {done.best_step:,} of {self.budget.num_steps:,}"
            + "".join(f", {self.metric_name} on {name} {unit} {value:.4g}" for name, value in scores.items())
        )
        first = self._result(model, reader, self._record(done, len(train), scores, "the validated model itself"))
        if not all_rows:
            return first
        if "metric" in self.recipe.with_stopper(None).requires:
            return replace(first, record=replace(first.record, rows_why=_NEEDS_METRIC))
        until = self._best_step(done)
        every = np.random.default_rng(self.seed).permutation(np.unique(np.concatenate(self.trainable.own)))
        self.announce(f"trained again on all {len(every):,} {unit} for {until:,} steps")
        model, reader, again = self._trained_again(every, None, until)
        if not is_finite(model):
            return replace(first, record=replace(first.record, rows_why=f"on all {unit}, the training diverged"))
        record = self._record(again, len(every), scores, f"all {unit}, for the steps that validation found best")
        return self._result(model, reader, record)

    def _best_step(self, first: Training) -> int:
        """The step at which validations are best on the average over divisions, of which few rows need several."""
        assert first.best_step is not None
        own, target = self.trainable.own, self.trainable.target
        if len(own[1]) >= FEW or self.trainable.is_fixed:
            return first.best_step
        values = target.values
        classes = values if target.kind == "classification" else np.zeros(len(values), dtype=np.int64)
        curves = [first.curve]
        for division in range(1, DIVISIONS):
            rows = redrawn_rows(classes, own, self.trainable.where, self.seed + division, test=False)
            curves.append(self._trained_again(rows[0], rows[1], None)[2].curve)
        return best_on_average(curves, self._plan(own[0]).mode) or first.best_step

    @property
    def metric_name(self) -> str:
        """What is validated."""
        is_class = self.trainable.target.kind == "classification"
        return self.trainable.metric or ("log_loss" if is_class else "mse")

    def _trained(self, rows: Any, validation: Any, until: int | None) -> tuple[nn.Module, Reader, Training]:
        train, reader = self.trainable.prepared(rows)
        with seeded(self.seed):
            model = self.trainable.model(reader)
        done = trained(
            self.recipe,
            model,
            train,
            self._plan(rows),
            validation=None if validation is None else self.trainable.split(reader, validation),
            until=until,
            seed=self.seed,
            augment=partial(self.trainable.augmented, seed=self.seed),
        )
        if validation is None and until is None and not is_finite(model):
            raise InputError(
                f"{self.trainable.where}: the training by {quoted(self.recipe.name)} diverged; use another recipe."
            )
        return model, reader, done

    def _trained_again(self, rows: Any, validation: Any, until: int | None) -> tuple[nn.Module, Reader, Training]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the first training has warned of the same
            return self._trained(rows, validation, until)

    def _plan(self, rows: Any) -> Plan:
        kind, where = self.trainable.target.kind, self.trainable.where
        loss, metric = self.trainable.loss(rows), metric_of(self.trainable.metric, kind, where)
        plain = metric_of(self.metric_name, kind, where)
        assert plain is not None
        measured = loss if metric is None else metric.function
        mode = "min" if metric is None else metric.mode
        return Plan(loss, measured, mode, self.budget.batch_size, self.budget.num_steps, self.budget.num_validations)

    def _score(self, model: nn.Module, reader: Reader, rows: Any) -> float:
        split = self.trainable.split(reader, rows)
        return float(self._plan(self.trainable.own[0]).metric(outputs(model, split.inputs), split.targets))

    def _record(self, done: Training, num_rows: int, scores: dict[str, float], why: str) -> FitRecord:
        finite = {name: value for name, value in scores.items() if math.isfinite(value)}
        steps = done.num_steps if done.best_step is None else done.best_step
        return FitRecord(self.recipe.name, steps, self.budget.num_steps, num_rows, why, self.metric_name, finite)

    def _result(self, model: nn.Module, reader: Reader, record: FitRecord) -> FittedPredictor:
        return FittedPredictor(model, reader, record, is_known=self.trainable.is_known)


def best_on_average(curves: Sequence[Mapping[int, float]], mode: Mode) -> int | None:
    """The step whose mean value over curves is best, of those that all have reached; None where no mean is finite.

    Args:
        curves: values by step, which stoppers may have ended.
        mode: whether lower values are better, or higher ones.
    """
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    sign = 1.0 if mode == "min" else -1.0
    means = {step: sign * float(np.mean([curve[step] for curve in curves])) for step in steps}
    finite = {step: mean for step, mean in means.items() if math.isfinite(mean)}
    return min(finite, key=lambda step: finite[step], default=None)
