"""A recipe in transformers' `Trainer`."""

import logging
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState

from metaopt.deploy import Run
from metaopt.errors import InputError, quoted
from metaopt.integrations.trainer_arguments import (
    evaluates,
    is_pretrained,
    mode_of,
    observed,
    replaced_arguments,
)
from metaopt.integrations.trainer_callback import RecipeCallback
from metaopt.integrations.trainer_files import continue_run, read_run, run_state, write_run
from metaopt.integrations.training_point import is_over
from metaopt.recipe import Recipe, as_recipe, check_host

__all__ = ["RecipeCallback", "RecipeTrainer"]

_LOG = logging.getLogger("metaopt")


class RecipeTrainer(Trainer):
    """A `Trainer` that trains with a recipe, in place of its own optimizer and schedule; all else is the Trainer's.

    Each call of `train` binds the recipe to the model: with the planned steps, the examples of an accumulated batch
    over all processes, and, where `from_pretrained` loaded the weights, as pretrained. Evaluations in training see
    averaged weights where the rule has them, feed the stopper and metric-driven controllers (`metric_for_best_model`,
    else the loss), and end the training when the stopper says so. The model ends with its best weights. Checkpoints
    hold the weights that were evaluated, and what a resumed training needs to equal an unbroken one.

    The arguments of an optimizer and a schedule are not used. `max_grad_norm` still clips, before the recipe steps.

    Args:
        *args: as of `Trainer`.
        recipe: what to train with, or its name or path.
        validate_first: whether the model is evaluated before the first step of a new training, so that one which
            training only made worse is handed back as it was. It is not where `eval_strategy` is `"no"`.
        bind: further arguments of `recipe.bind`.
        **kwargs: as of `Trainer`; no `optimizers`.

    Attributes:
        run: of the latest `train`; None before the first.

    Raises:
        InputError: an optimizer was given besides.
        PluginError: the recipe requires what a Trainer does not supply.

    Example:
        >>> trainer = RecipeTrainer(  # doctest: +SKIP
        ...     model=model, args=args, recipe="default", train_dataset=train, eval_dataset=validation
        ... )
        >>> trainer.train()  # doctest: +SKIP
    """

    run: Run | None = None

    def __init__(
        self,
        *args: Any,
        recipe: Recipe | str | Path = "default",
        validate_first: bool = True,
        bind: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.recipe = as_recipe(recipe)
        self.validate_first = validate_first
        self._bind_arguments = dict(bind or {})
        self._loss: Tensor | None = None
        self._num_training_steps = 0
        self._named: set[str] = set()
        self._is_over = False
        check_host(self.recipe, "transformers")
        super().__init__(*args, **kwargs)
        if (self.optimizer, self.lr_scheduler, self.optimizer_cls_and_kwargs) != (None, None, None):
            raise InputError(
                "RecipeTrainer has the recipe's optimizer and schedule; leave out optimizers=, or use Trainer."
            )
        if self.is_deepspeed_enabled or self.is_fsdp_enabled:
            raise InputError(
                "RecipeTrainer runs in one process or under DDP, not under FSDP or DeepSpeed, which replace the "
                "parameters that the recipe is bound to; leave out fsdp= and deepspeed=."
            )
        self.add_callback(_Phases(self))
        callbacks = self.callback_handler.callbacks
        callbacks.insert(0, callbacks.pop())  # at the end of training before those that save or upload the model

    def create_optimizer(self, model: nn.Module | None = None) -> Optimizer:
        """Bind the recipe to the model, for as many steps as the training is to have, and return its optimizer."""
        return self._bind(self._num_training_steps or self.state.max_steps).optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Optimizer | None = None) -> LRScheduler:
        """The run's own."""
        run = self._bind(num_training_steps) if self.run is None else self.run
        self.lr_scheduler = cast(Any, run.scheduler)  # annotated as a LambdaLR, and any scheduler
        return run.scheduler

    def create_optimizer_and_scheduler(self, num_training_steps: int) -> None:
        """Bind the recipe to the model, for this many steps; earlier versions of transformers call it."""
        self._num_training_steps = num_training_steps
        self.create_optimizer()
        self.create_scheduler(num_training_steps)
        self._num_training_steps = 0

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """The Trainer's, which has divided the loss of each micro-batch so that they add up to that of the step."""
        loss: Tensor = super().training_step(*args, **kwargs)
        precise = loss.detach().to(torch.promote_types(loss.dtype, torch.float32))
        self._loss = precise if self._loss is None else self._loss + precise
        if self.accelerator.sync_gradients and self.run is not None:
            self.run.record_loss(self._loss)
            self._loss = None
        return loss

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
        **kwargs: Any,
    ) -> dict[str, float]:
        """The Trainer's; those that it makes of its own `eval_dataset` in training are observed.

        Raises:
            InputError: the metric is not among those of the evaluation.
        """
        metrics: dict[str, float] = super().evaluate(eval_dataset, ignore_keys, metric_key_prefix, **kwargs)
        if self.is_in_train and self.run is not None and eval_dataset is None and metric_key_prefix == "eval":
            decision = self.run.observe(observed(metrics, self.args), epoch=self.state.epoch or 0.0)
            if decision.stop:
                _LOG.info(decision.reason)
                self.control.should_training_stop = True
        return metrics

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """The Trainer's, with averages in where the rule has them."""
        with self._evaluating():
            return super().evaluation_loop(*args, **kwargs)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the weights that an evaluation would see."""
        with self._evaluating():
            super().save_model(output_dir, _internal_call)

    def validate_before_training(self) -> None:
        """Evaluate a new training's model, as its first candidate; random numbers stay what they were."""
        run = self.run
        is_new = run is not None and run.num_steps == 0 and run.best_step is None
        if is_new and self.validate_first and evaluates(self.args):
            with torch.random.fork_rng(devices=[]):
                self.evaluate()

    @property
    def _module(self) -> nn.Module:
        assert self.model is not None
        return self.model

    def _bind(self, total_steps: int) -> Run:
        self._tell_unused()
        self._warn_unobserved()
        self._loss, self._is_over = None, False
        planned = {
            "total_steps": total_steps if total_steps > 0 else None,
            "mode": mode_of(self.args),
            "batch_size": self.get_total_train_batch_size(self.args),
            "pretrained": None if self.recipe.made_on is None else is_pretrained(self._module),
        }
        self.run = run = self.recipe.bind(self._module, **{**planned, **self._bind_arguments})
        self.optimizer, self.lr_scheduler = run.optimizer, cast(Any, run.scheduler)
        self._warn_of_clipping(run)
        return run

    def _evaluating(self) -> AbstractContextManager[None]:
        return nullcontext() if self.run is None else self.run.evaluating()

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        super()._save_optimizer_and_scheduler(output_dir)
        if self.run is not None:
            state = run_state(self.run)
            if self.args.should_save:
                write_run(state, output_dir)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        saved = None if checkpoint is None or self.run is None else read_run(checkpoint)
        super()._load_optimizer_and_scheduler(checkpoint)
        if saved is not None and self.run is not None:
            continue_run(saved, self.run)
            self._is_over = is_over([self.run])

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        """The Trainer's, but where the training that is resumed had come to its end."""
        if self._is_over:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*args, **kwargs)

    def _load_best_model(self) -> None:
        """End the run with the copy of the best weights that it kept; without one load the best checkpoint's."""
        if self.run is not None:
            self.run.finish()
        if self.run is None or self._bind_arguments.get("keep_best", "cpu") is None:
            super()._load_best_model()

    def _tell_unused(self) -> None:
        """Name, once, the arguments that the recipe takes the place of."""
        unused = {name: value for name, value in replaced_arguments(self.args).items() if name not in self._named}
        self._named |= set(unused)
        if unused:
            shown = ", ".join(f"{name}={quoted(getattr(value, 'value', value))}" for name, value in unused.items())
            self._warn(f"The recipe {self.recipe.name!r} has its own optimizer, rate and schedule; not used: {shown}.")

    def _warn_unobserved(self) -> None:
        if "metric" in self.recipe.requires and not evaluates(self.args):
            self._warn(
                f"The recipe {self.recipe.name!r} listens to evaluations, and eval_strategy is 'no': it will neither "
                "stop early nor keep best weights; pass eval_strategy='epoch' and an eval_dataset."
            )

    def _warn_of_clipping(self, run: Run) -> None:
        looks = run.scheduler.required & {"gradient_norm", "agreement"}
        if looks and self.args.max_grad_norm and "max_grad_norm" not in self._named:
            self._named.add("max_grad_norm")
            self._warn(
                f"The Trainer clips gradients at max_grad_norm={self.args.max_grad_norm} before the controller "
                f"{run.scheduler.spec.name!r} looks at them; pass max_grad_norm=0 to leave them as they are."
            )

    def _warn(self, sentence: str) -> None:
        warnings.warn(sentence, UserWarning, stacklevel=4)


class _Phases(TrainerCallback):
    """Tells a `RecipeTrainer` when its training begins and ends."""

    def __init__(self, trainer: RecipeTrainer) -> None:
        self._trainer = trainer

    def on_epoch_begin(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Every callback has heard of the beginning."""
        if state.global_step == 0:
            self._trainer.validate_before_training()

    def on_train_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Leave in the model what it is to be used with."""
        if self._trainer.run is not None:
            self._trainer.run.finish()
