"""What a scheduler checks before it begins: its plan, its host's signals, the rates of the groups."""

from numbers import Integral

from torch.optim import Optimizer

from metaopt.errors import InputError, PluginError, quoted
from metaopt.plugin import ControllerSpec


def check_total_steps(total_steps: int | None) -> None:
    """Check that a planned number of steps is a positive whole number, or None; InputError otherwise."""
    whole = isinstance(total_steps, Integral) and not isinstance(total_steps, bool)
    if total_steps is not None and not (whole and 1 <= total_steps < 2**53):  # as a float it is exact
        raise InputError(f"total_steps must be a positive whole number, got {quoted(total_steps)}.")


def check_settings(
    spec: ControllerSpec, required: frozenset[str], total_steps: int | None, mode: str, supplies: frozenset[str]
) -> None:
    """Check a scheduler's settings, and that its host supplies the signals that the controller requires."""
    if mode not in ("min", "max"):
        raise InputError(f"mode must be 'min' or 'max', got {quoted(mode)}.")
    check_total_steps(total_steps)
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
