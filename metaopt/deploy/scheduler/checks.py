"""What a scheduler checks before it begins: its plan, its host's signals, the rates of the groups."""

from torch.optim import Optimizer

from metaopt.errors import InputError, PluginError, check_positive, quoted
from metaopt.plugin import ControllerSpec


def check_settings(
    spec: ControllerSpec, required: frozenset[str], total_steps: int | None, mode: str, supplies: frozenset[str]
) -> None:
    """Check a scheduler's settings, and that its host supplies the signals that the controller requires."""
    if mode not in ("min", "max"):
        raise InputError(f"mode must be 'min' or 'max', got {quoted(mode)}.")
    check_positive("total_steps", total_steps, or_none=True)
    if "horizon" in required and total_steps is None:
        raise InputError(
            f"The controller {spec.name!r} needs to know how long training will be; pass total_steps=, "
            "the number of optimizer steps (epochs * len(loader))."
        )
    missing = sorted(required - supplies)
    if missing:
        raise PluginError(
            f"The controller {spec.name!r} requires {', '.join(missing)}, which a scheduler by itself does not know; "
            "bind a recipe and call run.step(loss), or choose another controller."
        )


def note_initial_rates(optimizer: Optimizer, spec: ControllerSpec) -> None:
    """Note each group's rate as a plain float, so that no step waits for a device to read a tensor."""
    for group in getattr(optimizer, "param_groups", []):
        if "lr" not in group:
            if spec.name != "constant":
                raise PluginError(
                    f"{type(optimizer).__name__} has no lr for the controller {spec.name!r} to act on; "
                    "use the controller 'constant'."
                )
            group["lr"] = 1.0  # nobody reads it, but every torch scheduler expects one
        group["initial_lr"] = float(group.get("initial_lr", group["lr"]))
