"""Weightings and surgeries for metaopt: how the losses and gradients of tasks that share a trunk make one step."""

import metaopt
from metaopt_multitask import aligned_mtl, cagrad, dwa, equal, imtl_g, pcgrad, uncertainty

WEIGHTINGS = (equal, uncertainty, dwa)
SURGERIES = (pcgrad, cagrad, aligned_mtl, imtl_g)


@metaopt.hookimpl
def metaopt_plugins() -> list[metaopt.PluginSpec]:
    """All weightings and surgeries of this package."""
    return [*(module.spec for module in WEIGHTINGS), *(module.spec for module in SURGERIES)]
