"""A recipe in a Lightning `Trainer`."""

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, final

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, StochasticWeightAveraging
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from metaopt.contracts import Mode
from metaopt.deploy import Run
from metaopt.errors import InputError, listed, quoted
from metaopt.integrations.lightning_plan import plan_of
from metaopt.integrations.training_point import SavedAverages, end_fit, is_over, train_on, training_weights
from metaopt.recipe import Recipe, as_recipe, check_host

#: What a checkpoint of this callback holds beside `run.observations()`.
_WEIGHTS = "training_weights"
#: The entry of a checkpoint that holds the runs of several parts.
_RUNS = "runs"


@final
class RecipeCallback(Callback):
    """Trains a module with a recipe: give it to the `Trainer`, and return `optimizers(self)` from the module.

    Every training step steps the scheduler, under manual optimization too. Validations see averaged weights where the
    rule has them, feed the stopper and metric-driven controllers, and end the fit when the stopper says so; the best
    weights are in the module afterwards. Checkpoints, whoever saves them, hold the weights that were validated, and
    beside them those to train on from. A new fit's sanity check goes over all validation batches and is the first
    validation, so that a module which training only made worse is handed back as it was; `validate_first` says whether.

    Args:
        recipe: what to train with: a recipe, its folder, or the name of one that ships with metaopt. Under manual
            optimization several, `{"generator": recipe, "discriminator": "default"}`, by the attributes of the module
            that they train; `self.optimizers()` has theirs in this order.
        monitor: the logged validation metric to observe; None observes nothing, and the last weights stay.
        mode: `"min"` if it is better when lower, `"max"` if when higher.
        restore_best: whether the module ends with its best weights; else it ends with the last, averaged where the rule
            averages.
        validate_first: whether the module is validated before the first step. It is not where the trainer validates
            nothing, the fit continues from a checkpoint, or the module logs no such metric in a sanity check.
        bind: further arguments of `recipe.bind`. Unless they are among these, `total_steps` is what the trainer plans,
            `batch_size` that of the training loader times accumulation times ranks, and a `BaseFinetuning` callback
            means `pretrained`.

    Attributes:
        run: the run, from the start of the fit; the first of several.
        runs: all of them by the names given with the recipes, `""` for that of a whole module.

    Example:
        >>> class Classifier(LightningModule):  # doctest: +SKIP
        ...     def configure_optimizers(self):
        ...         return metaopt_callback.optimizers(self)
        >>> metaopt_callback = RecipeCallback("default")  # doctest: +SKIP
        >>> Trainer(max_epochs=10, callbacks=[metaopt_callback]).fit(Classifier(), loader, val_loader)  # doctest: +SKIP
    """

    run: Run

    def __init__(
        self,
        recipe: Recipe | str | Path | Mapping[str, Recipe | str | Path],
        monitor: str | None = "val_loss",
        *,
        mode: Mode = "min",
        restore_best: bool = True,
        validate_first: bool = True,
        **bind: Any,
    ) -> None:
        by_part = recipe if isinstance(recipe, Mapping) else {"": recipe}
        if not by_part:
            raise InputError("RecipeCallback got no recipe: pass at least one, such as {'generator': 'default'}.")
        if restore_best and bind.get("keep_best", "cpu") is None:
            raise InputError("With keep_best=None there is nothing to restore: pass restore_best=False too.")
        self.recipes = {part: as_recipe(one) for part, one in by_part.items()}
        for one in self.recipes.values():
            check_host(one, "lightning")
        self.monitor = monitor
        self.mode: Mode = mode
        self.restore_best = restore_best
        self.validate_first = validate_first
        self.runs: dict[str, Run] = {}
        self._sanity_steps: int | float | None = None
        self._bind = bind
        self._loaded: Mapping[str, Any] | None = None
        self._replaced: dict[str, dict[str, Tensor]] | None = None
        self._saving: RemovableHandle | None = None
        self._evaluation, self._evaluates = ExitStack(), False
        self._epoch = 0.0
        self._loss: Tensor | float = 0.0

    def optimizers(self, module: LightningModule) -> Any:
        """Bind the recipe to the module; what its `configure_optimizers` shall return.

        Raises:
            InputError: the module has no part of a name that was given with a recipe; and what `recipe.bind` raises.
        """
        settings = {**plan_of(module.trainer, len(self.recipes)), "mode": self.mode, **self._bind}
        self.runs = {part: recipe.bind(_part(module, part), **settings) for part, recipe in self.recipes.items()}
        self.run, self._loss, self._replaced = next(iter(self.runs.values())), 0.0, None
        if not module.automatic_optimization:
            for run in self.runs.values():
                run.optimizer.register_step_post_hook(_after_which(run.scheduler.step))
        answers = [
            {"optimizer": run.optimizer, "lr_scheduler": {"scheduler": run.scheduler, "interval": "step"}}
            for run in self.runs.values()
        ]
        return answers[0] if len(answers) == 1 else answers

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Have the sanity check of a new fit go over all validation batches, and what is saved hold averages.

        Raises:
            InputError: another callback decides which weights the module ends with, as this one does.
        """
        for other in trainer.callbacks:  # type: ignore[attr-defined]
            if self.restore_best and _leaves_averages(other):
                name = type(other).__name__
                raise InputError(
                    f"{name} leaves its averages in the module, and the recipe its best weights: leave {name} out, or "
                    "pass restore_best=False to RecipeCallback."
                )
        if not self.runs:
            raise InputError(
                "RecipeCallback has no optimizer: return callback.optimizers(self) from the module's "
                "configure_optimizers."
            )
        if self._saving is not None:
            self._saving.remove()
        self._saving = pl_module.register_state_dict_post_hook(SavedAverages(pl_module, self.runs.values()))
        if self.validate_first and self._loaded is None:
            self._sanity_steps, trainer.num_sanity_val_steps = trainer.num_sanity_val_steps, math.inf

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Continue from a checkpoint, once Lightning has restored optimizer and scheduler."""
        if self._sanity_steps is not None:
            trainer.num_sanity_val_steps, self._sanity_steps = self._sanity_steps, None
        loaded, self._loaded = self._loaded, None
        if loaded is None:
            return
        states = loaded.get(_RUNS, {"": loaded})
        if list(states) != list(self.runs):
            raise InputError(
                f"The checkpoint is of recipes for {quoted(list(states))}, this callback's are for "
                f"{quoted(list(self.runs))}: pass the same, in the same order."
            )
        for part, run in self.runs.items():
            observations = {key: value for key, value in states[part].items() if key != _WEIGHTS}
            train_on(run, observations, states[part].get(_WEIGHTS, {}))
        trainer.should_stop = trainer.should_stop or is_over(self.runs.values())

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Add up the losses of a step's batches: under accumulation Lightning has divided each by their number."""
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        # The scale itself, which is asked for by scaling: `get_scale` would wait for a GPU.
        scale = 1.0 if scaler is None else scaler.scale(torch.ones((), device=loss.device))
        self._loss = self._loss + loss.detach() / scale

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Record the step's loss, for optimizers, controllers and stoppers that ask for it."""
        for run in self.runs.values():
            if optimizer is run.optimizer and isinstance(self._loss, Tensor):
                run.record_loss(self._loss)
                self._loss = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note how many epochs are done, for stoppers that ask for them."""
        self._epoch = trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put averaged weights in."""
        if trainer.state.fn == "fit":
            self._evaluate()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the training weights back and observe; what is saved after this holds the weights observed.

        Raises:
            InputError: the module did not log the metric, on any rank.
        """
        if trainer.state.fn != "fit":
            return
        self._train()
        sanity_check = trainer.sanity_checking
        if self.monitor is None or (sanity_check and self._sanity_steps is None):
            return
        value = _over_ranks(trainer, trainer.callback_metrics.get(self.monitor))
        if value is None and not sanity_check:
            raise InputError(
                f"The module logged no {self.monitor!r} in this validation; call self.log({self.monitor!r}, value) in "
                f"validation_step, or monitor one of {sorted(trainer.callback_metrics)}."
            )
        if value is not None:
            decisions = [run.observe(value, epoch=self._epoch) for run in self.runs.values()]
            stop = trainer.strategy.reduce_boolean_decision(any(one.stop for one in decisions), all=False)
            trainer.should_stop = trainer.should_stop or stop

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Put the training weights back: a checkpoint may follow."""
        self._train()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the best weights in the module; warn where no finite metric was ever observed."""
        if self._saving is not None:
            self._saving.remove()
            self._saving = None
        self._replaced = {
            part: end_fit(run, restore_best=self.restore_best, monitor=self.monitor) for part, run in self.runs.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """What Lightning does not save by itself, and the weights to train on from where those saved are others."""
        if not self.runs:
            return {}
        evaluates = self._evaluates
        self._train()
        if any(run.is_evaluating for run in self.runs.values()):
            raise InputError("Leave `with run.evaluating()` before saving a checkpoint.")
        weights = self._replaced or {part: training_weights(run) for part, run in self.runs.items()}
        states = {part: {**run.observations(), _WEIGHTS: weights[part]} for part, run in self.runs.items()}
        if evaluates:
            self._evaluate()
        return states[""] if set(states) == {""} else {_RUNS: states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Kept until the run is bound."""
        self._loaded = state_dict

    def _evaluate(self) -> None:
        self._evaluates = True
        for run in self.runs.values():
            self._evaluation.enter_context(run.evaluating())

    def _train(self) -> None:
        self._evaluates = False
        self._evaluation.close()


def _part(module: LightningModule, name: str) -> nn.Module:
    try:
        return module.get_submodule(name)
    except AttributeError:
        parts = listed(child for child, _ in module.named_children())
        raise InputError(
            f"The module has no part {quoted(name)} to train with a recipe of its own; it has {parts}."
        ) from None


def _leaves_averages(callback: Any) -> bool:
    """Whether a callback puts averages of its own into the module, to validate them or to end with them."""
    kinds = {kind.__name__ for kind in type(callback).__mro__}  # `WeightAveraging` came with Lightning 2.6
    return isinstance(callback, StochasticWeightAveraging) or "WeightAveraging" in kinds


def _over_ranks(trainer: Trainer, value: Tensor | None) -> float | None:
    """Mean of a metric over the ranks that logged it, or None where none did."""
    if trainer.world_size == 1:
        return None if value is None else float(value)
    pair = torch.zeros(2) if value is None else torch.stack([torch.ones(()), value.detach().float().cpu()])
    count, total = trainer.strategy.reduce(pair.to(trainer.strategy.root_device), reduce_op="sum").tolist()
    return total / count if count else None


def _after_which(step: Callable[[], None]) -> Callable[..., None]:
    def hook(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        step()

    return hook
