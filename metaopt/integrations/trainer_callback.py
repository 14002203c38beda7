"""A run observed by transformers' `Trainer` through a callback."""

from pathlib import Path
from typing import Any, final

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from metaopt.deploy import Run
from metaopt.errors import InputError
from metaopt.integrations.trainer_arguments import metric_name, mode_of
from metaopt.integrations.trainer_files import continue_run, read_run, run_state, write_run
from metaopt.integrations.training_point import is_over
from metaopt.recipe import HOSTS, Host, Recipe, as_recipe, check_host


@final
class RecipeCallback(TrainerCallback):
    """Observes the evaluations of a `Trainer` that was given a run's optimizer and scheduler.

    For those who cannot use `RecipeTrainer`. It observes `metric_for_best_model`, else the loss, ends the training when
    the stopper says so, leaves the best weights in the model, and adds to checkpoints what resuming needs. Checkpoints
    hold averaged weights where the rule has them. A callback does not get the loss of a step.

    Args:
        recipe: what `run` was bound from, or its name or path.
        run: whose `optimizer` and `scheduler` the Trainer was given.

    Raises:
        PluginError: the recipe requires the loss, or what a Trainer does not supply.

    Example:
        >>> run = recipe.bind(model, total_steps=300)  # doctest: +SKIP
        >>> trainer = Trainer(  # doctest: +SKIP
        ...     model=model,
        ...     args=args,
        ...     optimizers=(run.optimizer, run.scheduler),
        ...     callbacks=[RecipeCallback(recipe, run)],
        ... )
    """

    def __init__(self, recipe: Recipe | str | Path, run: Run) -> None:
        callback = Host("RecipeCallback", HOSTS["transformers"].supplies - {"loss"})
        check_host(as_recipe(recipe), callback, remedy="use RecipeTrainer, which supplies the loss")
        self.run = run
        self._is_over = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Continue from a checkpoint in `output_dir`, once the Trainer has loaded model, optimizer and scheduler.

        Raises:
            InputError: the Trainer has another optimizer, or takes the metric the other way round.
        """
        optimizer = others["optimizer"]
        if getattr(optimizer, "optimizer", optimizer) is not self.run.optimizer:
            raise InputError("The Trainer steps another optimizer; pass optimizers=(run.optimizer, run.scheduler).")
        if mode_of(args) != self.run.mode:
            raise InputError(
                f"The run was bound with mode={self.run.mode!r}, and the Trainer's metric {metric_name(args)!r} is "
                f"{mode_of(args)!r}; bind with mode={mode_of(args)!r}, or set greater_is_better."
            )
        self._is_over = False
        if state.global_step:
            continue_run(read_run(checkpoint_of(args, state)), self.run)
            control.should_training_stop = self._is_over = is_over([self.run])  # the Trainer takes a step yet

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **others: Any,
    ) -> None:
        """Observe, where the metric is among those of the evaluation: of several datasets one has it."""
        value = (metrics or {}).get(metric_name(args))
        if value is not None and not self._is_over and self.run.observe(value, epoch=state.epoch or 0.0).stop:
            control.should_training_stop = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Put averages in for a checkpoint that comes without an evaluation; the next step takes them out."""
        if control.should_save and hasattr(self.run.optimizer, "eval"):
            self.run.optimizer.eval()

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """As `on_step_end`."""
        self.on_step_end(args, state, control)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Add the observations to the checkpoint; the weights to train on from are in the optimizer's state."""
        saved = run_state(self.run)
        if state.is_world_process_zero:
            write_run(saved, checkpoint_of(args, state))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Leave in the model what it is to be used with."""
        self.run.finish()


def checkpoint_of(args: TrainingArguments, state: TrainerState) -> Path:
    """The folder of the checkpoint of this step."""
    return Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
