"""What rules need from a training loop, and what they take from it."""

import torch
from torch import Tensor

from metaopt.configuration import Assembly
from metaopt.contracts import Theta
from metaopt.errors import InputError, PluginError, check_positive
from metaopt.tracing import can_compile

#: Signals that an ordinary loop supplies to an optimizer.
SUPPLIED = frozenset({"loss", "gradient_norm", "horizon"})


def check_requirements(assembly: Assembly, theta: Theta | None, horizon: int | None) -> None:
    """Check that a training loop supplies what the rule requires.

    Raises:
        PluginError: a signal is missing.
        InputError: the weights of a learned rule are.
    """
    required = assembly.rule_requires
    unknown = sorted(required - SUPPLIED)
    if unknown:
        raise PluginError(
            f"{_part_with(assembly, unknown[0])} requires {unknown}, which a training loop does not supply; "
            f"it supplies {sorted(SUPPLIED)}."
        )
    if "horizon" in required and horizon is None:
        raise PluginError(f"{_part_with(assembly, 'horizon')} requires the planned number of steps: pass total_steps=.")
    check_positive("total_steps", horizon, or_none=True)
    if assembly.learned is not None and theta is None:
        raise InputError(
            f"{assembly.learned.name!r} is a learned rule and has no weights here: pass theta=, or bind a recipe "
            "with them."
        )


def check_loss(assembly: Assembly, loss: Tensor | float | None) -> Tensor:
    """The loss as a 0-d float32 tensor.

    Raises:
        PluginError: it was not given.
    """
    if loss is None:
        raise PluginError(
            f"{_part_with(assembly, 'loss')} requires the training loss at every step: "
            "call run.step(loss), or run.record_loss(loss) before a host calls optimizer.step(); without a run, call "
            "optimizer.step(loss=loss), or pass a closure that returns it."
        )
    return torch.as_tensor(loss).detach().float().reshape(())


def _part_with(assembly: Assembly, signal: str) -> str:
    """The optimizer or the wrapper that requires a signal, as the beginning of a sentence."""
    for spec in assembly.wrappers:
        values = {name: assembly.rule_values[f"{spec.name}.{name}"] for name in spec.space}
        if signal in spec.required(values):
            return f"The wrapper {spec.name!r}"
    return f"The rule {assembly.optimizer.name!r}"


def check_param(assembly: Assembly, param: Tensor) -> None:
    """Refuse complex and integer parameters."""
    if not param.is_floating_point():
        raise InputError(
            f"The rule {assembly.optimizer.name!r} takes real floating-point parameters, got {param.dtype}; "
            "view a complex one as real (torch.view_as_real), or leave it to an optimizer of its own."
        )


def check_grad(name: str, grad: Tensor) -> Tensor:
    """Refuse sparse gradients."""
    if grad.layout is not torch.strided:
        raise InputError(
            f"Parameter {name!r} has a sparse gradient, which rules do not take: "
            "use sparse=False in its embedding, or give it torch.optim.SparseAdam."
        )
    return grad.detach() if grad.requires_grad else grad


def why_not_compiled(assembly: Assembly) -> str | None:
    """Why one graph cannot serve all tensors of this rule, or None where it can."""
    if assembly.others:
        return f"{assembly.title!r} is an optimizer a role: compile=True has no effect, they run eagerly."
    rule = assembly.rule
    if can_compile(rule):
        return None
    whole = rule.granularity == "tensor"
    acts = "whole tensors, and every shape would need a graph" if whole else "all tensors at once"
    return f"The rule {assembly.optimizer.name!r} acts on {acts}: compile=True has no effect, it runs eagerly."
