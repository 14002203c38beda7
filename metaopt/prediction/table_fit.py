"""`metaopt.fit`: the model of a table, trained by a recipe, that predicts new rows.

How long to train is measured, not assumed. A first model trains on the training rows and is validated: the step of its
best validation is kept. Where fewer than FEW rows validate, that step would be a lottery: then it is the one that is
best on the average over DIVISIONS divisions of the rows. A model begins anew on *all* rows, training, validation and
test, with the same plan, and takes as many steps. Its rates at each step are those that were validated, for more rows;
more of them want more steps rather than fewer, so none of these is one too many. What is reported is the first model's:
the last has no row left that it has not seen.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from metaopt.contracts import Mode, Task
from metaopt.errors import InputError, check_positive, checked_function, quoted
from metaopt.prediction.predictor import FitRecord, TablePredictor
from metaopt.prediction.training import Plan, Training, is_finite, outputs, trained
from metaopt.recipe import Recipe, as_recipe
from metaopt.seeding import seeded
from metaopt.tasks import PreparedRows, TableSplits, loss_of, metric_of, model_factory, redrawn_rows, table_task

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
    table: Task | str | Path,
    *,
    num_steps: int | None = None,
    all_rows: bool = True,
    seed: int = 0,
    announce: Callable[[str], None] | None = None,
) -> TablePredictor:
    """Train a table's model as a recipe says; the result predicts new rows.

    Args:
        recipe: a recipe, or what `metaopt.load_recipe` reads.
        table: a task that `metaopt.load_corpus` made of a table, or the file itself, by which a `corpus.toml` may lie.
        num_steps: planned steps; those of the task if left out.
        all_rows: whether the model is trained anew on all rows, for as many steps as validation found best. Otherwise
            it is the validated one, and validation and test rows are left out of it.
        seed: of the model's initial weights and of its batches.
        announce: takes a sentence about each training.

    Raises:
        InputError: it is no table, the file cannot be used, or the training diverged.

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
    task = table_task(table)
    splits = task.splits
    if not isinstance(splits, TableSplits):
        raise InputError(
            f"Task {quoted(task.name)} was not made from a table, so there is no telling how new rows become inputs; "
            "train its model with recipe.bind."
        )
    steps = task.num_steps if num_steps is None else num_steps
    check_positive("num_steps", steps)
    budget = Budget(task.batch_size, steps, recipe.num_validations or task.num_validations)
    fitter = TableFitter(recipe, splits, budget, seed, announce or (lambda line: None))
    return fitter.predictor(all_rows=all_rows)


@dataclass(frozen=True)
class TableFitter:
    """Trainings of one recipe on one table.

    Attributes:
        recipe: how.
        splits: the table, and which of its rows do what; validation and test rows may be none.
        budget: see `Budget`.
        seed: of initial weights and batches.
        announce: takes a sentence about each training.
        factory: makes the model, called with (num_inputs, num_outputs); what the settings name if left out.
    """

    recipe: Recipe
    splits: TableSplits
    budget: Budget
    seed: int
    announce: Callable[[str], None]
    factory: Callable[[int, int], nn.Module] | None = None

    def predictor(self, *, all_rows: bool) -> TablePredictor:
        """Train, validated and then on all rows; see `fit`.

        Raises:
            InputError: a training diverged.
        """
        train, validation, test = self.splits.own
        if not len(validation):
            model, prepared, done = self._trained(train, None, None)
            return self._result(model, prepared, self._record(done, len(train), {}, "too few rows to validate on"))
        model, prepared, done = self._trained(train, validation, None)
        if done.best_step is None:
            raise InputError(
                f"{self.splits.where}: the training by {quoted(self.recipe.name)} diverged before its first "
                "validation; use another recipe."
            )
        scores = {"validation": float(done.best_value or 0.0)}
        if len(test):
            scores["test"] = self._score(model, prepared, test)
        self.announce(
            f"validated: best at step {done.best_step:,} of {self.budget.num_steps:,}"
            + "".join(f", {self.metric_name} on {name} rows {value:.4g}" for name, value in scores.items())
        )
        first = self._result(model, prepared, self._record(done, len(train), scores, "the validated model itself"))
        if not all_rows:
            return first
        if "metric" in self.recipe.with_stopper(None).requires:
            return replace(first, record=replace(first.record, rows_why=_NEEDS_METRIC))
        until = self._best_step(done)
        every = np.random.default_rng(self.seed).permutation(np.unique(np.concatenate(self.splits.own)))
        self.announce(f"trained again on all {len(every):,} rows for {until:,} steps")
        model, prepared, again = self._trained(every, None, until)
        if not is_finite(model):
            return replace(first, record=replace(first.record, rows_why="on all rows, the training diverged"))
        record = self._record(again, len(every), scores, "all rows, for the steps that validation found best")
        return self._result(model, prepared, record)

    def _best_step(self, first: Training) -> int:
        """The step at which validations are best on the average over divisions, of which few rows need several."""
        assert first.best_step is not None
        own, table = self.splits.own, self.splits.table
        if len(own[1]) >= FEW or table.groups is not None or table.times is not None:
            return first.best_step
        values = table.target.values
        classes = values if table.target.kind == "classification" else np.zeros(len(values), dtype=np.int64)
        curves = [first.curve]
        for division in range(1, DIVISIONS):
            rows = redrawn_rows(classes, own, self.splits.where, self.seed + division, test=False)
            curves.append(self._trained(rows[0], rows[1], None)[2].curve)
        return best_on_average(curves, self._plan(own[0]).mode) or first.best_step

    @property
    def metric_name(self) -> str:
        """What is validated."""
        is_class = self.splits.table.target.kind == "classification"
        return self.splits.settings.metric or ("log_loss" if is_class else "mse")

    def _trained(self, rows: Any, validation: Any, until: int | None) -> tuple[nn.Module, PreparedRows, Training]:
        table, settings, where = self.splits.table, self.splits.settings, self.splits.where
        prepared = PreparedRows.of(table, rows, settings)
        make = self.factory or model_factory(settings, prepared.reader.inputs.one_hot_places)
        with seeded(self.seed):
            model = make(prepared.train.inputs.shape[1], table.target.num_outputs)
        done = trained(
            self.recipe,
            model,
            prepared.train,
            self._plan(rows),
            validation=None if validation is None else prepared.split(table, validation),
            until=until,
            seed=self.seed,
        )
        if validation is None and until is None and not is_finite(model):
            raise InputError(f"{where}: the training by {quoted(self.recipe.name)} diverged; use another recipe.")
        return model, prepared, done

    def _plan(self, rows: Any) -> Plan:
        table, settings, where = self.splits.table, self.splits.settings, self.splits.where
        loss, metric = loss_of(table, rows, settings, where), metric_of(settings.metric, table.target.kind, where)
        plain = metric_of(self.metric_name, table.target.kind, where)
        assert plain is not None
        measured = loss if metric is None else metric.function
        mode = "min" if metric is None else metric.mode
        return Plan(loss, measured, mode, self.budget.batch_size, self.budget.num_steps, self.budget.num_validations)

    def _score(self, model: nn.Module, prepared: PreparedRows, rows: Any) -> float:
        split = prepared.split(self.splits.table, rows)
        return float(self._plan(self.splits.own[0]).metric(outputs(model, split.inputs), split.targets))

    def _record(self, done: Training, num_rows: int, scores: dict[str, float], why: str) -> FitRecord:
        finite = {name: value for name, value in scores.items() if math.isfinite(value)}
        steps = done.num_steps if done.best_step is None else done.best_step
        return FitRecord(self.recipe.name, steps, self.budget.num_steps, num_rows, why, self.metric_name, finite)

    def _result(self, model: nn.Module, prepared: PreparedRows, record: FitRecord) -> TablePredictor:
        return TablePredictor(model, prepared.reader, record, is_known=self.factory is None)


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
