"""The spec of an optimizer class that has no rule."""

import importlib.metadata
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from metaopt.contracts import RateLaw
from metaopt.errors import PluginError, did_you_mean, listed, quoted
from metaopt.plugin.native import Native
from metaopt.plugin.optimizer import OptimizerSpec, Takes
from metaopt.plugin.signature import EXECUTION, Signature, signature_of, step_needs_closure, with_valid
from metaopt.space import Categorical, Float, Int


def optimizer_spec(
    cls: type[Optimizer],
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    takes: Takes = "all",
    matrix_entry: str | None = None,
    needs_graph: bool = False,
    takes_closure: bool | None = None,
    sharded: bool = False,
    sets_rate: bool = False,
    rate_law: RateLaw | None = None,
    proposed: bool = True,
    summary: str = "",
    references: Sequence[str] = (),
    arguments: Mapping[str, Any] | None = None,
    **space: Any,
) -> OptimizerSpec:
    """The spec of a torch optimizer class, which needs no rule: `metaopt.register` makes it a plugin.

    Hyperparameters and their defaults are read from the class's signature. Tuning proposes rates, `eps` and weight
    decay on a log scale around their defaults, betas and momenta below 1. Other numbers, truth values and strings of a
    `Literal` stay as they are unless a person gives them, or a distribution is stated here.

    Args:
        cls: the class; its first argument is the parameters.
        name: how users call it; the class's name in lower case if left out.
        version: recipes record it; that of the class's distribution if left out.
        takes: `"matrices"` if it takes tensors of two dimensions and more alone.
        matrix_entry: see `Native`.
        needs_graph: see `Native`.
        takes_closure: see `Native`; whether `step` cannot do without one if left out.
        sharded: see `Native`.
        sets_rate: see `OptimizerSpec`.
        rate_law: see `OptimizerSpec`; flat if left out.
        proposed: whether tuning proposes it without being asked by name.
        summary: one line for `metaopt plugins`.
        references: where the algorithm comes from.
        arguments: as `space`, for hyperparameters that are called like an argument here.
        **space: the class's arguments: a `Float`, `Int` or `Categorical` takes the place of what the signature tells;
            where it has no `valid` its range is one for tuning, and a person may give what the signature allows. Any
            other value is what the class is always made with. A tuple's numbers are numbered: `beta1`, `beta2`.

    Returns:
        A spec whose `rule` is None: members train one after the other, with the class itself.

    Raises:
        PluginError: it is no optimizer class, takes a model in place of parameters, its signature tells nothing, an
            argument without a default is not stated, or one that is stated is unknown.

    Example:
        >>> import torch, metaopt
        >>> spec = metaopt.optimizer_spec(torch.optim.Adafactor, lr=metaopt.Float(1e-4, 1e-1, log=True))
        >>> spec.name, spec.native.distribution, sorted(spec.space)
        ('adafactor', 'torch', ['beta2_decay', 'd', 'lr', 'weight_decay'])
    """
    if not isinstance(cls, type) or not issubclass(cls, Optimizer):
        raise PluginError(f"optimizer_spec takes a class of torch optimizers, got {quoted(cls)}.")
    told = signature_of(cls)
    stated = {**space, **(arguments or {})}
    _check_stated(cls, told, stated)
    fixed = {key: value for key, value in stated.items() if not _is_distribution(value)}
    packs = {key: names for key, names in told.packs.items() if key not in fixed}
    left_out = {*fixed, *(part for key in fixed for part in told.packs.get(key, ()))}
    tuned = {key: distribution for key, distribution in told.space.items() if key not in left_out}
    tuned.update(
        {
            key: with_valid(key, value, told.space.get(key)) if isinstance(value, Float | Int) else value
            for key, value in stated.items()
            if key not in fixed
        }
    )
    distribution, installed = _distribution_of(cls)
    return OptimizerSpec(
        name=cls.__name__.lower() if name is None else name,
        version=version or installed or "1",
        native=Native(
            module=_home(cls),
            qualname=cls.__qualname__,
            distribution=distribution,
            fixed=fixed,
            modes=all(callable(getattr(cls, mode, None)) for mode in ("train", "eval")),
            loaded=cls,
            matrix_entry=matrix_entry,
            needs_graph=needs_graph,
            takes_closure=step_needs_closure(cls) if takes_closure is None else takes_closure,
            sharded=sharded,
        ),
        packs=packs,
        space=tuned,
        takes=takes,
        sets_rate=sets_rate,
        rate_law=RateLaw(0.0, 0.0, 0.0) if rate_law is None else rate_law,
        proposed=proposed,
        summary=summary,
        references=tuple(references),
    )


def _check_stated(cls: type[Optimizer], told: Signature, stated: Mapping[str, Any]) -> None:
    """Check that what is stated and what the class takes fit; PluginError otherwise."""
    name = cls.__qualname__
    if told.is_open and not told.names and not stated:
        raise PluginError(
            f"The signature of {name} tells nothing of its hyperparameters: state them, such as "
            f"optimizer_spec({name}, lr=metaopt.Float(1e-4, 1e-1, log=True, default=1e-3))."
        )
    missing = [key for key in told.needed if key not in stated]
    if missing:
        raise PluginError(
            f"{name} has no default for {listed(missing)}: state a value, or a distribution to tune it, such as "
            f"optimizer_spec({name}, {missing[0]}=...)."
        )
    parts = {part for names in told.packs.values() for part in names}
    known = told.names | parts
    for key, value in stated.items():
        if key in told.packs and _is_distribution(value):
            raise PluginError(f"{name} takes {key!r} as a tuple; state its numbers {listed(list(told.packs[key]))}.")
        if key in EXECUTION:
            raise PluginError(f"{key!r} says how a step is computed, and is not for a spec of {name}; leave it out.")
        if key in parts and not _is_distribution(value):
            raise PluginError(f"{key!r} is a number of a tuple of {name}; state the tuple, or a distribution for it.")
        if key not in known and not told.is_open:
            hint = did_you_mean(key, sorted(known), " {}")
            raise PluginError(f"{name} takes no {quoted(key)};{hint} it takes {listed(sorted(known)) or 'nothing'}.")


def _is_distribution(value: Any) -> bool:
    return isinstance(value, Float | Int | Categorical)


def _home(cls: type[Optimizer]) -> str:
    """The outermost package that has the class under its name: `torch.optim` rather than `torch.optim.adamw`."""
    parts = cls.__module__.split(".")
    packages = (".".join(parts[:count]) for count in range(1, len(parts)))
    named = (package for package in packages if getattr(sys.modules.get(package), cls.__qualname__, None) is cls)
    return next(named, cls.__module__)


def _distribution_of(cls: type[Optimizer]) -> tuple[str, str]:
    """The distribution that the class came with, and its version; empty for a class of no distribution."""
    package = cls.__module__.partition(".")[0]
    spellings = (package, package.replace("_", "-"))
    for distribution in spellings:
        try:
            return distribution.replace("_", "-"), installed_version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    file = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
    if not {"site-packages", "dist-packages"} & set(Path(file).parts):  # asking all distributions takes a second
        return "", ""
    owners = importlib.metadata.packages_distributions().get(package, [])
    return (owners[0], installed_version(owners[0])) if owners else ("", "")


def installed_version(distribution: str) -> str:
    """The version of a distribution, without the part that names a build, such as `+cpu`."""
    return importlib.metadata.version(distribution).partition("+")[0]
