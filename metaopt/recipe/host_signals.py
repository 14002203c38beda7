"""What a recipe's parts need of the loop that trains with it."""

from metaopt.configuration import Assembly
from metaopt.deploy import StopperConfiguration, stopper_requires
from metaopt.plugin import Registry

#: Signals that a run has by itself: from gradients and weights, its wrappers, its clock and its scheduler.
OWN_SIGNALS = frozenset({"gradient_norm", "agreement", "stop", "seconds", "lr"})


def host_signals(assembly: Assembly, stopper: StopperConfiguration | None, registry: Registry) -> frozenset[str]:
    """Signals that a host has to supply to a run.

    `"loss"`: `run.record_loss(loss)` before each `optimizer.step()`. `"horizon"`: `bind(total_steps=…)`. `"metric"`:
    `run.observe(value)` after each validation. Any other is a keyword of `observe`, such as `"epoch"`.

    Args:
        assembly: the recipe's optimizer, wrappers and controller.
        stopper: the recipe's, or None.
        registry: where to find the stopper.
    """
    needed = set(assembly.requires)
    if assembly.controller.cadence == "validation":
        needed.add("metric")
    if stopper is not None:
        needed |= {"metric", *stopper_requires(stopper, registry)}
    if "train_loss" in needed:  # the mean of the losses
        needed = (needed - {"train_loss"}) | {"loss"}
    return frozenset(needed - OWN_SIGNALS)
