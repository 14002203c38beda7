"""The built-in optimizers, one file each."""

from collections.abc import Sequence

import metaopt
from metaopt_optimizers import (
    adafactor,
    adagrad,
    adamw,
    ademamix,
    lion,
    metz_nadamw,
    muon,
    nadamw,
    prodigy,
    rmsprop,
    schedulefree_adamw,
    sgd,
    soap,
)


@metaopt.hookimpl
def metaopt_plugins() -> Sequence[metaopt.PluginSpec]:
    """The specs of this package, in alphabetical order."""
    modules = (
        adafactor,
        adagrad,
        adamw,
        ademamix,
        lion,
        metz_nadamw,
        muon,
        nadamw,
        prodigy,
        rmsprop,
        schedulefree_adamw,
        sgd,
        soap,
    )
    return [module.spec for module in modules]
