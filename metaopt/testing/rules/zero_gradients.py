"""Whether a rule's update is finite where the gradient is zero: at a minimum, behind a dead unit, in an unused row."""

from collections.abc import Callable
from typing import Any

import torch

from metaopt.configuration import Assembly
from metaopt.contracts import State, Tensors
from metaopt.testing.answers import call_plugin, require_answer
from metaopt.testing.comparison import first_not_finite
from metaopt.testing.rules.subject import HORIZON, hparams_for, step_info


def require_finite_at_zero(
    assembly: Assembly, params: Tensors, theta: Tensors, states: dict[str, State], at: Callable[..., Any]
) -> None:
    """Raise ConformanceError unless two steps without any gradient are finite from each state; `at` is the update."""
    hparams, horizon = hparams_for(assembly, params), torch.tensor(float(HORIZON))
    zeros = {name: torch.zeros_like(param) for name, param in params.items()}
    names = "grads, state, params, hparams, theta, info"
    for label, begun in states.items():
        state = begun
        for step in range(2):
            info = step_info(assembly, torch.tensor(float(step)), horizon, zeros)
            arguments = zeros, state, params, hparams, theta, info
            updates, state = call_plugin(assembly.rule.update, names, *arguments, inputs="gradients of zero", at=at)
            for name, update in updates.items():
                require_answer(
                    bool(torch.isfinite(update).all()),
                    f"The update is not finite where the gradient is zero, {label}: {name} is "
                    f"{first_not_finite(update)}; keep an epsilon in what you divide by.",
                    at,
                )
