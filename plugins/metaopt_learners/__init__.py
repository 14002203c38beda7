"""Learners for metaopt: from a support set to a predictor, by comparing features."""

import metaopt
from metaopt_learners import baseline, finetune, matching_net, protonet, relation_net

COMPARING = (protonet, matching_net, relation_net)
#: What learns features without episodes, and must be beaten.
BASELINES = (baseline, finetune)


@metaopt.hookimpl
def metaopt_plugins() -> list[metaopt.PluginSpec]:
    """All learners of this package."""
    return [module.spec for module in (*COMPARING, *BASELINES)]
