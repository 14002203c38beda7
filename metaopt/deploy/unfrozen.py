"""Parameters that were frozen when an optimizer was made, and are no longer."""

import warnings
from collections.abc import Callable, Iterable, Mapping

from torch import Tensor
from torch.optim import Optimizer

from metaopt.deploy.step_hooks import look_at_gradients


def watch_frozen(optimizer: Optimizer, frozen: Iterable[Tensor], meet: Callable[[list[Tensor]], None]) -> None:
    """Have `meet` called before the step in which frozen parameters have their first gradients, with these.

    Nothing is looked at where nothing is frozen.

    Args:
        optimizer: whose steps are watched.
        frozen: parameters that do not require gradients.
        meet: called once for each parameter.
    """
    waiting = list(frozen)

    def look(_: Optimizer) -> None:
        met = [param for param in waiting if param.grad is not None and param.requires_grad]
        if met:
            gone = set(met)
            waiting[:] = [param for param in waiting if param not in gone]
            meet(met)

    if waiting:
        look_at_gradients(optimizer, look)


def warn_of_unfrozen(optimizer: Optimizer, names: Mapping[Tensor, str]) -> Callable[[list[Tensor]], None]:
    """For `watch_frozen`: warn of those that no group of the optimizer holds."""

    def meet(params: list[Tensor]) -> None:
        held = {param for group in optimizer.param_groups for param in group["params"]}
        forgotten = [names[param] for param in params if param not in held]
        if forgotten:
            more = f" (and {len(forgotten) - 1} more)" if forgotten[1:] else ""
            warnings.warn(
                f"The parameter {forgotten[0]!r:.80}{more} was frozen when the optimizer was made, and has a gradient; "
                "no group holds it, so it is not trained: call optimizer.add_param_group({'params': [...]}).",
                UserWarning,
                stacklevel=5,
            )

    return meet
