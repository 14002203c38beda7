"""The built-in learning-rate controllers, one file each."""

import metaopt
from metaopt_controllers.constant import CONSTANT
from metaopt_controllers.cosine import COSINE
from metaopt_controllers.exponential import EXPONENTIAL
from metaopt_controllers.linear import LINEAR
from metaopt_controllers.one_cycle import ONE_CYCLE
from metaopt_controllers.plateau import PLATEAU
from metaopt_controllers.warmup_hold_cosine import WARMUP_HOLD_COSINE
from metaopt_controllers.wsd import WSD


@metaopt.hookimpl
def metaopt_plugins() -> list[metaopt.PluginSpec]:
    """The controllers of this package."""
    return [CONSTANT, LINEAR, COSINE, WSD, ONE_CYCLE, EXPONENTIAL, PLATEAU, WARMUP_HOLD_COSINE]
