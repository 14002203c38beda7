"""The classes of the library pytorch-optimizer, as optimizers without a rule: `po_soap`, `po_adan` and so on.

They are called after the library (`po_`), since many have the name of a built-in. Nothing of it is imported before one
of them is named: listing them takes the library's version alone.
"""

import importlib
import importlib.metadata
from collections.abc import Sequence
from functools import partial

import metaopt
from metaopt_pytorch_optimizer.classes import CLASSES
from metaopt_pytorch_optimizer.needs import NEEDS, OF_MODELS, SHARDED

DISTRIBUTION = "pytorch-optimizer"
_REFERENCES = ("https://github.com/kozistr/pytorch_optimizer",)


@metaopt.hookimpl
def metaopt_plugins() -> Sequence[metaopt.PluginSpec]:
    """A promise of each class's spec, where the library is installed."""
    try:
        version = importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return []
    return [
        metaopt.DeferredOptimizer(
            name=plugin_name(name),
            version=version,
            summary=_summary(name),
            references=_REFERENCES,
            make=partial(spec_of, name, version),
        )
        for name in CLASSES
        if name not in OF_MODELS
    ]


def plugin_name(name: str) -> str:
    """How users call the class `name`."""
    return f"po_{name.lower()}"


def spec_of(name: str, version: str) -> metaopt.OptimizerSpec:
    """The spec of a class; imports the library.

    Raises:
        PluginError: the installed version has no such class, or it cannot be used.
    """
    library = importlib.import_module("pytorch_optimizer")
    cls = getattr(library, name, None)
    if cls is None:
        raise metaopt.PluginError(
            f"{DISTRIBUTION} {version} has no class {name!r}; upgrade it with pip install -U {DISTRIBUTION}."
        )
    return metaopt.optimizer_spec(
        cls,
        name=plugin_name(name),
        version=version,
        proposed=False,
        summary=_summary(name),
        references=_REFERENCES,
        sharded=name in SHARDED,
        **NEEDS.get(name, {}),
    )


def _summary(name: str) -> str:
    return f"The class {name} of {DISTRIBUTION}."
