"""What every plugin declares, whatever its kind."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from metaopt.contracts import SIGNALS
from metaopt.errors import PluginError, quoted
from metaopt.space import Categorical, Float, Int, Space, Value, When, ordered

API = 1

#: From hyperparameters, as people write them, to lines of plain Python that compute the same; of a stopper empty where
#: there are none for these values.
Plain: TypeAlias = Callable[[Mapping[str, Value]], str]


@dataclass(frozen=True, kw_only=True)
class PluginSpec:
    """What every plugin declares. Abstract: use one of the specs below.

    Attributes:
        name: how users call it; lower case letters, digits, `_`.
        version: of the algorithm, a string; recipes record it.
        api: the contract it was written for; 1.
        space: its hyperparameters.
        requires: signals it needs at each step (keys of `metaopt.contracts.SIGNALS`) or observation.
        requires_when: further signals, each needed only where a condition on the hyperparameters holds.
        proposed: whether tuning proposes it without being asked by name.
        references: where the algorithm comes from.
        summary: one line for `metaopt plugins`.
    """

    kind: ClassVar[str] = ""

    name: str
    version: str
    api: int = API
    space: Space = field(default_factory=dict)
    requires: frozenset[str] = frozenset()
    requires_when: Mapping[str, When] = field(default_factory=dict)
    proposed: bool = True
    references: tuple[str, ...] = ()
    summary: str = ""

    def __post_init__(self) -> None:
        where = f"{type(self).__name__}(name={quoted(self.name)})"
        name = self.name
        if not isinstance(name, str) or not name.replace("_", "").isalnum() or name != name.lower() or len(name) > 80:
            raise PluginError(f"{where}: a name consists of lower case letters, digits and '_', 80 at most.")
        if not isinstance(self.version, str) or not self.version:
            raise PluginError(f"{where}: version must be a string such as '1', got {quoted(self.version)}.")
        if self.api != API:
            raise PluginError(f"{where} was written for api {quoted(self.api)}; this metaopt has api {API}.")
        for key, distribution in self.space.items():
            if not isinstance(distribution, Float | Int | Categorical):
                raise PluginError(
                    f"{where}: space[{quoted(key)}] must be a Float, Int or Categorical, got {quoted(distribution)}."
                )
        ordered(self.space)
        for signal, condition in self.requires_when.items():
            if not isinstance(condition, When):
                raise PluginError(
                    f"{where}: requires_when[{signal!r}] must be a metaopt.When, got {quoted(condition)}."
                )
            if condition.name not in self.space:
                raise PluginError(
                    f"{where}: requires_when[{signal!r}] names the unknown hyperparameter {condition.name!r}."
                )
        object.__setattr__(self, "requires", signals_of(where, "requires", self.requires))

    @property
    def full_space(self) -> Space:
        """`space`, and for learned plugins the hyperparameters of their meta-training."""
        return self.space

    @property
    def tuned_space(self) -> Space:
        """What tuning searches."""
        return self.space

    def required(self, hparams: Mapping[str, Value]) -> frozenset[str]:
        """Signals it needs with these hyperparameters, given as people write them."""
        return self.requires | {signal for signal, when in self.requires_when.items() if when.holds(hparams)}


def signals_of(where: str, field_name: str, names: object) -> frozenset[str]:
    """Names of signals as a set; PluginError where they are none, such as a string for the set that holds it."""
    listed = isinstance(names, Iterable) and not isinstance(names, str | Mapping)
    found = frozenset(names) if isinstance(names, Iterable) and listed else frozenset()
    if not listed or not all(isinstance(name, str) for name in found):
        example = f'{{"{names}"}}' if isinstance(names, str) else '{"loss"}'
        raise PluginError(f"{where}: {field_name} must be a set of names, such as {example:.80}, got {quoted(names)}.")
    return found


def check_signals(spec: PluginSpec) -> None:
    """Check that what a plugin requires is known; PluginError otherwise."""
    unknown = sorted({*spec.requires, *spec.requires_when} - set(SIGNALS))
    if unknown:
        raise PluginError(
            f"{type(spec).__name__}(name={spec.name!r}) requires unknown signals {unknown}; known: {sorted(SIGNALS)}."
        )
