"""The order of a dict's keys carries no meaning: a rule looks up every entry by its key."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from metaopt.testing.comparison import require_close
from metaopt.testing.rules.subject import HORIZON, Subject, added, hparams_for, result_of, run, step_info, update_of
from metaopt.testing.samples import gradients


def ignores_the_order_of_keys(subject: Subject) -> None:
    """State, parameters, gradients, hyperparameters and theta may come with their keys in any order."""
    assembly, params = subject.assemble(), subject.parameters()
    theta, steps = subject.theta(params), gradients(params, 4)
    expected = run(assembly, params, steps, theta)
    hparams, horizon = hparams_for(assembly, params), torch.tensor(float(HORIZON))
    current = assembly.rule.start(_reversed(params), _reversed(theta))
    state: Any = assembly.rule.init(_reversed(current), _reversed(hparams), _reversed(theta), horizon)
    for step, grads in enumerate(steps):
        info = step_info(assembly, torch.tensor(float(step)), horizon, grads)
        # Each dict has its own order, so that a rule that zips two of them pairs the wrong tensors.
        inputs = _rotated(grads, step), _rotated(state, step + 1), _reversed(current), _rotated(hparams, step)
        updates, state = assembly.rule.update(*inputs, _reversed(theta), info)
        current = added(current, updates)
    require_close(
        {"params": current, "state": state}, result_of(expected), "With its dicts in another order",
        rtol=1e-5, atol=1e-6, at=update_of(assembly),
    )  # fmt: skip


CHECKS: tuple[Callable[[Subject], None], ...] = (ignores_the_order_of_keys,)


def _reversed(tree: Any) -> Any:
    """The same nested dict with its keys in reverse order."""
    if not isinstance(tree, Mapping):
        return tree
    return {key: _reversed(tree[key]) for key in reversed(list(tree))}


def _rotated(tree: Any, places: int) -> Any:
    """The same nested dict with its keys rotated by `places`."""
    if not isinstance(tree, Mapping):
        return tree
    keys = list(tree)
    places %= max(1, len(keys))
    return {key: _rotated(tree[key], places) for key in keys[places:] + keys[:places]}
