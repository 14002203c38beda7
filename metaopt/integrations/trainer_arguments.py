"""What the arguments of transformers' `Trainer`, and the model that it trains, mean for a recipe."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from torch import nn

from metaopt.contracts import Mode
from metaopt.errors import InputError, quoted

#: The arguments of an optimizer and a schedule, which a recipe takes the place of.
_REPLACED = (
    "optim",
    "optim_args",
    "learning_rate",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "lr_scheduler_type",
    "lr_scheduler_kwargs",
    "warmup_ratio",
    "warmup_steps",
)


def mode_of(args: Any) -> Mode:
    """Whether the metric of the best model is better when lower or when higher; without one it is the loss."""
    return "max" if args.metric_for_best_model is not None and args.greater_is_better else "min"


def evaluates(args: Any) -> bool:
    """Whether the training is evaluated on its way."""
    return str(getattr(args.eval_strategy, "value", args.eval_strategy)) != "no"


def metric_name(args: Any) -> str:
    """The entry of an evaluation's metrics to observe: `metric_for_best_model`, else the loss."""
    name = args.metric_for_best_model or "loss"
    return name if name.startswith("eval_") else f"eval_{name}"


def observed(metrics: Mapping[str, float], args: Any) -> float:
    """The metric to observe.

    Raises:
        InputError: it is not among those of the evaluation.
    """
    name = metric_name(args)
    if name not in metrics:
        raise InputError(
            f"The evaluation has no {quoted(name)} for the recipe to observe; set metric_for_best_model to one of "
            f"{', '.join(sorted(metrics))}."
        )
    return metrics[name]


def replaced_arguments(args: Any) -> dict[str, Any]:
    """The arguments of an optimizer and a schedule that are not at their defaults, by name."""
    stated = {each.name: each.default for each in fields(args) if each.default is not MISSING}
    return {name: getattr(args, name) for name in _REPLACED if name in stated and getattr(args, name) != stated[name]}


def is_pretrained(model: nn.Module) -> bool | None:
    """True where `from_pretrained` loaded weights of the model, else None: they may still come from elsewhere.

    A model made from the config of another has its name too: what tells them apart is a mark on each loaded parameter.
    """
    named = bool(getattr(model, "name_or_path", "") or getattr(getattr(model, "config", None), "_name_or_path", ""))
    loaded = named and any(getattr(param, "_is_hf_initialized", False) for param in model.parameters())
    return True if loaded else None
