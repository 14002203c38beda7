"""Learned starts, rates and rules for metaopt."""

import metaopt
from metaopt_learned import (
    anil,
    celo,
    celo_adam,
    fomaml,
    l2l_lstm,
    maml,
    meta_lstm,
    meta_sgd,
    mlp_lopt,
    proto_maml,
    reptile,
)

PLUGINS = (maml, fomaml, anil, reptile, proto_maml, meta_sgd, meta_lstm, l2l_lstm, mlp_lopt, celo, celo_adam)


@metaopt.hookimpl
def metaopt_plugins() -> list[metaopt.PluginSpec]:
    """All learned rules of this package."""
    return [one.spec for one in PLUGINS]
