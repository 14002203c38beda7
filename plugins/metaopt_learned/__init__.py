"""Learned starts, rates and rules for metaopt."""

import metaopt
from metaopt_learned import (
    anil,
    celo,
    celo_adam,
    fomaml,
    hyper_controller,
    l2l_lstm,
    learned_schedule,
    maml,
    meta_lstm,
    meta_sgd,
    mlp_lopt,
    proto_maml,
    reptile,
)

STARTS = (maml, fomaml, anil, reptile, proto_maml, meta_sgd)
RULES = (meta_lstm, l2l_lstm, mlp_lopt, celo, celo_adam, learned_schedule, hyper_controller)


@metaopt.hookimpl
def metaopt_plugins() -> list[metaopt.PluginSpec]:
    """All learned rules of this package."""
    return [module.spec for module in (*STARTS, *RULES)]
