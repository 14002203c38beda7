"""A sweep of rates in a loop of one's own: short trainings on a model that is left as it was."""

import copy
import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from metaopt.configuration import Configuration, assemble
from metaopt.contracts import Scale
from metaopt.errors import InputError, checked_function, quoted
from metaopt.plugin import Registry, current_registry
from metaopt.recipe import Recipe, load_recipe, peak_rate
from metaopt.tuning.arguments import check_count
from metaopt.tuning.rate_sweep.shifted import check_has_rate, exponent, octaves_around, shifted
from metaopt.tuning.rate_sweep.sweep import RateSweep

#: Share of a look's steps that is as many batches again, to measure the loss on.
MEASURED = 0.2


@checked_function()
def lr_find(
    model: nn.Module,
    loss_fn: Callable[[Any, Any], Tensor],
    loader: Iterable[Any],
    *,
    recipe: Recipe | str = "default",
    total_steps: int | None = None,
    num_steps: int = 100,
    octaves: int = 4,
    num_seeds: int = 3,
    batch_size: int | None = None,
    registry: Registry | None = None,
) -> RateSweep:
    """Short trainings at the recipe's rate and at rates octaves around it; afterwards the model is as it was.

    Each training is a whole one of `num_steps`, warm-up and decay included, and is judged by its loss on the batches
    that follow, as `run.evaluating()` has the model. All rates of a seed see the same batches. Weights, buffers,
    gradients, modes and torch's random numbers are put back, also after an error.

    Args:
        model: on its device.
        loss_fn: `(output, targets) -> 0-d tensor`.
        loader: yields `(inputs, targets)`, on the model's device or moved there; begun anew when it ends.
        recipe: what to train with; a name or folder of one, too.
        total_steps: steps of the training that the rate is for; `num_steps` if left out.
        num_steps: steps of each training.
        octaves: how far rates go to either side: from 2^-octaves to 2^octaves times the recipe's.
        num_seeds: trainings of each rate; noise is told from two on.
        batch_size: examples of a step, for a law of rates.
        registry: where plugins are; everything installed by default.

    Returns:
        The sweep; print its `summary()`, or look at `to_frame()` and `suggestion`.

    Raises:
        InputError: the recipe has no rate, a count is not valid, or the loader yields no pairs.

    Example:
        >>> import torch, metaopt
        >>> data = [(x := torch.randn(8, 3), x.sum(1, keepdim=True)) for _ in range(30)]
        >>> model = torch.nn.Linear(3, 1)
        >>> sweep = metaopt.lr_find(model, torch.nn.functional.mse_loss, data, num_steps=20, num_seeds=2)
        >>> sweep.suggestion > 0
        True
    """
    registry = current_registry(registry)
    recipe = (load_recipe(recipe) if isinstance(recipe, str) else recipe).with_stopper(None, registry)
    for name, count in (
        ("num_steps", num_steps),
        ("num_seeds", num_seeds),
        ("total_steps", num_steps if total_steps is None else total_steps),
    ):
        check_count(name, count)
    check_has_rate(assemble(recipe.configuration, registry))
    steps, total = octaves_around(octaves), total_steps or num_steps
    numbers = sum(param.numel() for param in model.parameters() if param.requires_grad) or None

    def rate_of(configuration: Configuration, planned: int) -> float:
        return peak_rate(configuration, Scale(numbers, batch_size, planned), None, registry)

    configurations = [shifted(recipe.configuration, octave, registry) for octave in steps]
    batches = _batches(loader, _device(model))
    columns = []
    with torch.random.fork_rng(devices=_cuda(model)), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of each bind the same, and of rates that are meant to be wrong
        for seed in range(num_seeds):
            own = list(itertools.islice(batches, num_steps + max(1, int(MEASURED * num_steps))))
            look = _Look(own[:num_steps], own[num_steps:], loss_fn, batch_size, seed)
            columns.append([look.loss(model, replace(recipe, configuration=each), registry) for each in configurations])
    return RateSweep(
        tuple(rate_of(configuration, num_steps) for configuration in configurations),
        tuple(zip(*columns, strict=True)),
        "the loss on the batches that follow",
        num_steps,
        total,
        rate_of(recipe.configuration, total),
        exponent(recipe.configuration),
    )


class _Look:
    """One seed's batches, on which every rate trains and is measured."""

    def __init__(
        self,
        training: list[tuple[Any, Any]],
        measured: list[tuple[Any, Any]],
        loss_fn: Callable[[Any, Any], Tensor],
        batch_size: int | None,
        seed: int,
    ) -> None:
        self._training, self._measured, self._loss_fn = training, measured, loss_fn
        self._batch_size, self._seed = batch_size, seed

    def loss(self, model: nn.Module, recipe: Recipe, registry: Registry) -> float:
        """The mean loss after training; infinite where it diverged."""
        with _left_as_it_was(model), torch.random.fork_rng(devices=_cuda(model)):
            torch.manual_seed(self._seed)
            model.train()
            run = recipe.bind(
                model,
                total_steps=len(self._training),
                batch_size=self._batch_size,
                keep_best=None,
                guard="off",
                registry=registry,
            )
            for inputs, targets in self._training:
                run.optimizer.zero_grad()
                loss = self._loss_fn(model(inputs), targets)
                if not bool(torch.isfinite(loss)):
                    return float("inf")
                loss.backward()
                run.step(loss)
            with run.evaluating(), torch.no_grad():
                losses = [float(self._loss_fn(model(inputs), targets)) for inputs, targets in self._measured]
        mean = sum(losses) / len(losses)
        return mean if mean < float("inf") else float("inf")


@contextmanager
def _left_as_it_was(model: nn.Module) -> Iterator[None]:
    """Put weights, buffers, gradients and modes back."""
    state = copy.deepcopy(model.state_dict())
    gradients = [(param, param.grad) for param in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    for param, _ in gradients:
        param.grad = None
    try:
        yield
    finally:
        model.load_state_dict(state)
        for param, gradient in gradients:
            param.grad = gradient
        for module, training in modes:
            module.training = training


def _batches(loader: Iterable[Any], device: torch.device | None) -> Iterator[tuple[Any, Any]]:
    """The loader's pairs without end, moved to where the model is."""
    while True:
        count = 0
        for batch in loader:
            if not isinstance(batch, list | tuple) or len(batch) != 2:
                raise InputError(f"lr_find takes a loader of (inputs, targets), got {quoted(type(batch).__name__)}.")
            count += 1
            yield _moved(batch[0], device), _moved(batch[1], device)
        if not count:
            raise InputError("lr_find got a loader without batches; a generator that has ended yields none.")


def _moved(value: Any, device: torch.device | None) -> Any:
    return value.to(device) if isinstance(value, Tensor) and device is not None else value


def _device(model: nn.Module) -> torch.device | None:
    return next((param.device for param in model.parameters()), None)


def _cuda(model: nn.Module) -> list[int]:
    device = _device(model)
    return [device.index or 0] if device is not None and device.type == "cuda" else []
