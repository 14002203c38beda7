"""What a param group may state: a key that only other optimizers know would have no effect."""

import inspect
from collections.abc import Iterator

from metaopt.configuration import Assembly
from metaopt.deploy.optimizer.native_class import native_class
from metaopt.deploy.optimizer.parameters import Group
from metaopt.errors import InputError, PluginError, listed, quoted
from metaopt.plugin import OptimizerSpec, current_registry


def check_keys(assembly: Assembly, group: Group) -> None:
    """Refuse hyperparameters of other optimizers; a `weight_decay` of 0 is what an optimizer without one does.

    Keys that no optimizer has as a hyperparameter are the user's own.

    Raises:
        InputError: one is there.
    """
    unknown = [key for key in group if not any(key in _hparams(spec) for spec in assembly.optimizers)]
    for key in unknown:
        owners = [spec.name for spec in current_registry().specs(OptimizerSpec) if key in _hparams(spec)]
        is_of_class = any(key in _arguments(spec) for spec in assembly.optimizers)
        if owners and not is_of_class and not (key == "weight_decay" and not group[key]):
            names = " and ".join(spec.name for spec in assembly.optimizers)
            raise InputError(
                f"A param group states {quoted(key)}, which {listed(owners, most=3)} have and {names} has not; leave "
                "it out, or choose another optimizer."
            )


def _hparams(spec: OptimizerSpec) -> frozenset[str]:
    return frozenset((*spec.space, *spec.packs))


def _arguments(spec: OptimizerSpec) -> Iterator[str]:
    """What the spec's class takes beside its hyperparameters, such as `foreach`."""
    if spec.native is not None:
        try:
            yield from inspect.signature(native_class(spec.native)).parameters
        except (PluginError, ValueError):  # not installed, or without a signature
            return
