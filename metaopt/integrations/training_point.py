"""Where to train on from, if at all: modules and checkpoints of hosts hold weights to evaluate with."""

import warnings
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, final

import torch
from torch import Tensor, nn

from metaopt.deploy import RuleOptimizer, Run, averages


@final
class SavedAverages:
    """A hook of `module.state_dict()`: it holds averages where there are any, whoever saves it. Copies do nothing.

    Args:
        module: that of the host, whose parts the runs may train.
        runs: of its parameters.
    """

    def __init__(self, module: nn.Module, runs: Iterable[Run]) -> None:
        self._module, self._runs = weakref.ref(module), tuple(runs)

    def __getstate__(self) -> dict[str, Any]:
        return {"_module": None}

    def __call__(self, module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
        """Called by `module.state_dict()` when it has made the state."""
        if self._module is None or self._module() is not module:
            return
        for run in self._runs:
            if run.is_evaluating or not averages(run.optimizer):
                continue
            trained = {param for group in run.optimizer.param_groups for param in group["params"]}
            with run.evaluating():
                for name, param in module.named_parameters(remove_duplicate=False):
                    if param in trained and prefix + name in state:
                        state[prefix + name] = param.detach().clone()


def end_fit(run: Run, *, restore_best: bool, monitor: str | None) -> dict[str, Tensor]:
    """Leave in a model what it is to be used with: its best weights, or the last ones to evaluate with.

    Args:
        run: of a module.
        restore_best: whether the best come first.
        monitor: the metric that was to be observed, for the message; None for none.

    Returns:
        What this replaced, on the CPU: `train_on` puts it back.

    Warns:
        UserWarning: no finite value was ever observed of a metric that was to be.
    """
    model = module_of(run)
    before = {name: _copy(value) for name, value in tensors_of(model).items()}
    if restore_best and run.best_step is not None:
        run.restore_best()
    else:
        if restore_best and monitor is not None:
            message = f"No finite {monitor!r} was ever observed, so the module keeps its last weights."
            warnings.warn(message, UserWarning, stacklevel=3)
        if averages(run.optimizer):
            run.finish(best=False)
    after = tensors_of(model)
    return {name: value for name, value in before.items() if not torch.equal(value, after[name].cpu())}


def training_weights(run: Run) -> dict[str, Tensor]:
    """Copies, on the CPU, of the parameters that averages would take the place of; none where nothing averages."""
    if not averages(run.optimizer):
        return {}
    trained = {param for group in run.optimizer.param_groups for param in group["params"]}
    return {name: _copy(param) for name, param in module_of(run).named_parameters() if param in trained}


def train_on(run: Run, observations: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Continue a run whose model holds weights to evaluate with.

    Args:
        run: its optimizer and scheduler are as they were.
        observations: of `run.observations()`.
        weights: of `training_weights` or `end_fit`.
    """
    optimizer = run.optimizer
    if isinstance(optimizer, RuleOptimizer):
        optimizer.train()
    for group in optimizer.param_groups:
        if "train_mode" in group:
            group["train_mode"] = True  # the class's own way back would start from other weights
    module_of(run).load_state_dict(weights, strict=False)
    run.load_observations(observations)


def is_over(runs: Iterable[Run]) -> bool:
    """Whether one of the runs, which go on from a checkpoint, has said stop, so that no step is left to take.

    Warns:
        UserWarning: it has, and why.
    """
    reasons = [run.decision.reason for run in runs if run.decision.stop]
    if reasons:
        message = (
            f"The training of this checkpoint had come to its end, and no further step is taken: {reasons[0]} To train "
            "on all the same, begin a new training from its weights."
        )
        warnings.warn(message, UserWarning, stacklevel=4)
    return bool(reasons)


def module_of(run: Run) -> nn.Module:
    """The module that a host's run was bound to."""
    assert isinstance(run.model, nn.Module)
    return run.model


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """A module's parameters and buffers themselves, whatever hooks make of its `state_dict`."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _copy(value: Tensor) -> Tensor:
    return value.detach().to("cpu", copy=True)
