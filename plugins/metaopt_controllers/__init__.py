"""The built-in learning-rate controllers, one file each."""

import metaopt
from metaopt_controllers.adagrad_norm import ADAGRAD_NORM
from metaopt_controllers.constant import CONSTANT
from metaopt_controllers.cosine import COSINE
from metaopt_controllers.cosine_restarts import COSINE_RESTARTS
from metaopt_controllers.exponential import EXPONENTIAL
from metaopt_controllers.greedy import GREEDY
from metaopt_controllers.hypergradient import HYPERGRADIENT
from metaopt_controllers.linear import LINEAR
from metaopt_controllers.one_cycle import ONE_CYCLE
from metaopt_controllers.plateau import PLATEAU
from metaopt_controllers.polyak import POLYAK
from metaopt_controllers.warmup_hold_cosine import WARMUP_HOLD_COSINE
from metaopt_controllers.wsd import WSD


@metaopt.hookimpl
def metaopt_plugins() -> list[metaopt.PluginSpec]:
    """The plugins of this package."""
    schedules = [CONSTANT, LINEAR, COSINE, COSINE_RESTARTS, WSD, ONE_CYCLE, EXPONENTIAL, WARMUP_HOLD_COSINE]
    closed_loops = [PLATEAU, GREEDY, ADAGRAD_NORM, HYPERGRADIENT, POLYAK]
    return [*schedules, *closed_loops]
