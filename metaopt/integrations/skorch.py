"""A recipe in a skorch net."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, LRScheduler
from skorch.dataset import get_len
from torch import nn

from metaopt.contracts import Mode
from metaopt.deploy import Run
from metaopt.errors import InputError, listed
from metaopt.integrations.skorch_optimizer import NetOptimizer
from metaopt.integrations.training_point import SavedAverages
from metaopt.recipe import Recipe, as_recipe, check_host


@final
class RecipeCallback(Callback):  # type: ignore[misc]  # skorch has no annotations
    """Trains a net with a recipe, in place of the net's own optimizer; parameters of its criterion too.

    Every training batch steps the scheduler. Each epoch's validation sees averaged weights where the rule has them and
    feeds the stopper and metric-driven controllers; the best weights are in the module afterwards. Where the validation
    loss is monitored the first validation comes before the first step, so that a module which training only made worse
    is handed back as it was; `validate_first` says whether. `net.partial_fit`, and `net.fit` with `warm_start`, go on
    from the last weights. What `net.save_params` saves are the weights to evaluate with; its `f_optimizer` holds all
    of the run, and those to train on from.

    Args:
        recipe: what to train with: a recipe, its folder, or the name of one that ships with metaopt.
        total_steps: planned number of training batches; `max_epochs` times the batches of the net's training split if
            left out. Pass that of all fits together where several continue one another.
        monitor: entry of the net's history to observe.
        mode: `"min"` if it is better when lower, `"max"` if when higher.
        restore_best: whether the module ends with its best weights; else it ends with the last, averaged where the rule
            averages.
        validate_first: whether the module is validated before the first step, if `monitor` is the validation loss and
            the net has validation data.
        bind: further arguments of `recipe.bind`; `batch_size` is that of the training split's loader unless given.

    Attributes:
        run: the run, from the first epoch of a fit on; also `net.optimizer_.run`. Copies and pickles of a net have the
            state that their next fit goes on from, and no run until then.

    Example:
        >>> net = NeuralNetClassifier(Module, max_epochs=10, callbacks=[RecipeCallback("default")])  # doctest: +SKIP
    """

    def __init__(
        self,
        recipe: Recipe | str | Path,
        total_steps: int | None = None,
        monitor: str = "valid_loss",
        mode: Mode = "min",
        restore_best: bool = True,
        validate_first: bool = True,
        bind: Mapping[str, Any] | None = None,
    ) -> None:
        self.recipe = recipe
        self.total_steps = total_steps
        self.monitor = monitor
        self.mode: Mode = mode
        self.restore_best = restore_best
        self.validate_first = validate_first
        self.bind = bind

    @property
    def run(self) -> Run:
        """See the class."""
        if "run_" not in vars(self):
            raise AttributeError("RecipeCallback has no run before the first epoch of a fit.")
        return self.run_

    def on_train_begin(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Take the place of the net's optimizer, or go on where the fit before ended.

        Raises:
            InputError: something else sets rates, or takes steps, beside the recipe.
        """
        if any(isinstance(callback, LRScheduler) for _, callback in net.callbacks_):
            raise InputError("LRScheduler sets the rates that the recipe's controller sets: leave one of the two out.")
        if len(net._optimizers) > 1:
            raise InputError(
                f"The net has several optimizers, {listed(net._optimizers)}, and RecipeCallback takes the place of one "
                "that trains all parameters: bind recipes in initialize_optimizer instead."
            )
        net.optimizer_ = NetOptimizer.of(net)
        net.optimizer_.train_on()

    def on_epoch_begin(
        self, net: NeuralNet, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        """Bind the recipe in the first epoch, and observe the module as it came; random numbers stay what they were.

        Raises:
            KeyboardInterrupt: the stopper says stop, as skorch's own `EarlyStopping` does.
        """
        net.optimizer_.train()
        if net.optimizer_.run is None:
            self._train(net, dataset_train)
        self.run_: Run = net.optimizer_.run
        first = self.validate_first and self.monitor == "valid_loss" and self.run.num_steps == 0
        if not first or dataset_valid is None or not len(dataset_valid):
            return
        with suppress(TypeError):  # a module may take parameters of `fit`, which callbacks are not told
            with torch.random.fork_rng(), self.run.evaluating():
                loss = _mean_loss(net, dataset_valid)
            self._observe(net, loss, epoch=0)

    def on_batch_begin(self, net: NeuralNet, batch: Any = None, training: bool = False, **kwargs: Any) -> None:
        """Put averaged weights in before the first validation batch."""
        if not training:
            net.optimizer_.eval()

    def on_epoch_end(self, net: NeuralNet, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any) -> None:
        """Observe, and end the fit when the stopper says so; averages stay in for the callbacks after this one.

        A net without a validation set is not observed by its `valid_loss`.

        Raises:
            InputError: the net's history has no such entry.
        """
        net.optimizer_.eval()
        if self.monitor == "valid_loss" and not dataset_valid:
            return
        if self.monitor not in net.history[-1]:
            raise InputError(
                f"The net's history has no {self.monitor!r}; it has {sorted(net.history[-1])}. Callbacks that write "
                "into it come before RecipeCallback."
            )
        self._observe(net, net.history[-1, self.monitor], epoch=len(net.history))

    def on_train_end(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Leave the best weights in the module; warn where no finite metric was ever observed."""
        net.optimizer_.end(restore_best=self.restore_best, monitor=self.monitor)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("run_", "saving_")}

    def _train(self, net: NeuralNet, dataset: Any) -> None:
        """Bind the recipe to all that the net trains."""
        modules = {
            name: module
            for name in (*net._modules, *net._criteria)
            if isinstance(module := getattr(net, f"{name}_"), nn.Module) and [*module.parameters()]
        }
        whole = next(iter(modules.values())) if len(modules) == 1 else nn.ModuleDict(modules)
        settings = {**_plan(net, dataset), "mode": self.mode, **(self.bind or {})}
        if self.total_steps is not None:
            settings["total_steps"] = self.total_steps
        recipe = as_recipe(self.recipe)
        check_host(recipe, "skorch")
        run = recipe.bind(whole, **settings)
        for handle in getattr(self, "saving_", ()):
            handle.remove()
        self.saving_ = [
            module.register_state_dict_post_hook(SavedAverages(module, [run])) for module in modules.values()
        ]
        net.optimizer_.train_with(run)

    def _observe(self, net: NeuralNet, value: float, epoch: int) -> None:
        decision = self.run.observe(value, epoch=epoch)
        if decision.stop:
            if net.verbose:
                print(decision.reason)
            raise KeyboardInterrupt  # how skorch's own EarlyStopping ends a fit


def _plan(net: NeuralNet, dataset: Any) -> dict[str, Any]:
    """What the net knows of a coming fit."""
    batches = net.get_iterator(dataset, training=True)
    plan = {}
    with suppress(TypeError):  # a stream has no length
        plan["total_steps"] = net.max_epochs * len(batches)
    if isinstance(size := getattr(batches, "batch_size", None), int):
        plan["batch_size"] = size
    return plan


def _mean_loss(net: NeuralNet, dataset: Any) -> float:
    """Mean loss over batches by their sizes, as the net's history has it."""
    losses, sizes = [], []
    for batch in net.get_iterator(dataset, training=False):
        losses.append(float(net.validation_step(batch)["loss"]))
        sizes.append(get_len(batch[0] if isinstance(batch, tuple | list) else batch))
    return float(np.average(losses, weights=sizes))
