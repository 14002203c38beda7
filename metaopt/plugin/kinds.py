"""What a plugin declares: one frozen, final spec for each kind, and what they have in common."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import ClassVar, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from metaopt.contracts import (
    Cadence,
    Controller,
    Corpus,
    Fires,
    Fit,
    MetaTraining,
    Rule,
    Stopper,
    StopperTheta,
    ThetaShapes,
    learned_theta,
)
from metaopt.errors import PluginError, known_keywords
from metaopt.plugin.balancing import SurgerySpec, WeightingSpec
from metaopt.plugin.checks import (
    check_controller,
    check_functions,
    check_inner_lr,
    check_meta,
    check_signals,
    check_stopper,
    check_structural,
    names_of_signals,
)
from metaopt.plugin.learner import LearnerSpec
from metaopt.plugin.optimizer import OptimizerSpec
from metaopt.plugin.plugin_spec import PluginSpec
from metaopt.space import Space, Value

#: `(batch, hparams, theta) -> bool`, the last by keyword: a fitted policy, otherwise as `metaopt.contracts.Fires`.
FittedFires: TypeAlias = Callable[..., NDArray[np.bool_]]

#: From hyperparameters, as people write them, to lines of plain Python that compute the same; of a stopper empty where
#: there are none for these values.
Plain: TypeAlias = Callable[[Mapping[str, Value]], str]


@final
@known_keywords(PluginError)
@dataclass(frozen=True, kw_only=True)
class WrapperSpec(PluginSpec):
    """A rule made from a rule: averaging, lookahead, distance-over-gradients.

    Attributes:
        wrap: `rule -> rule`. The new rule finds its own hyperparameters in `hparams[name]` under
            `"<wrapper's name>.<hyperparameter>"` and keeps its own state under keys that start the same way.
        inner_lr: what the inner rule's `lr` is where nobody states it: 1 where the wrapper sets the rate by itself, so
            that `lr` only multiplies what it sets. None leaves the optimizer its own default.
        meta: for learned ones: how they get their weights, which are theta of the rule that `wrap` returns.
        tells: what it has to say to stoppers: signals, by name, and the entries of its own shared state that hold them,
            0-d. A run supplies them with each observation.
        plain: for `metaopt show --code`, of wrappers that change gradients alone, or None: lines that do so before
            `optimizer.step()`, where `model` and `torch` are known.
    """

    kind: ClassVar[str] = "wrapper"

    wrap: Callable[[Rule], Rule]
    inner_lr: float | None = None
    meta: MetaTraining | None = None
    tells: Mapping[str, str] = field(default_factory=dict)
    plain: Plain | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_signals(self)
        check_structural(self)
        check_meta(self, self.meta)
        check_inner_lr(self.name, self.inner_lr)
        check_functions(self, wrap=self.wrap)

    @property
    def sets_rate(self) -> bool:
        """Whether it sets the rate by itself, so that the inner rule's `lr` is a factor that need not be tuned."""
        return self.inner_lr is not None

    @cached_property
    def full_space(self) -> Space:
        """See `PluginSpec`; tuning takes the weights that ship, so that `space` is all that it searches."""
        return self.space if self.meta is None else {**self.meta.full_space, **self.space}


@final
@known_keywords(PluginError)
@dataclass(frozen=True, kw_only=True)
class ControllerSpec(PluginSpec):
    """A learning-rate controller.

    Attributes:
        controller: the pure policy.
        cadence: `"table"` (open loop), `"step"` or `"validation"`; see `metaopt.contracts.Cadence`.
        plain: for `metaopt show --code`, or None: of cadence `"table"` the body of `def multiplier(step)`, where
            `total_steps` and `math` are known and `step` counts the steps before; of cadence `"validation"` lines that
            define `scheduler`, a torch scheduler on `optimizer` that is stepped with each validation metric.
        absolute: whether it gives rates themselves and no multipliers of `lr`: neither law nor warm-up act on them.
    """

    kind: ClassVar[str] = "controller"

    controller: Controller
    cadence: Cadence = "table"
    plain: Plain | None = None
    absolute: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_controller(self)

    @property
    def takes_warmup(self) -> bool:
        """Whether a warm-up may stand in front of it: its rates are multipliers, and it has none of its own."""
        return not self.absolute and "warmup" not in self.space


@final
@known_keywords(PluginError)
@dataclass(frozen=True, kw_only=True)
class StopperSpec(PluginSpec):
    """An early-stopping policy: a pure threshold form (`fires`), or a class (`factory`).

    Attributes:
        fires: the policy over arrays of curves; `observe` follows from it.
        factory: `factory(mode=..., **hparams) -> Stopper`, for policies that have no pure form. Combining policies
            get `stoppers=[...]` too.
        combines: whether it is made of other stoppers.
        fit: for policies that learn from a population of recorded curves, or None; see `metaopt.contracts.fitted.Fit`.
            `fires` then takes the keyword `theta` too. `tune` and `replay` fit, and put theta into the recipe.
        theta_shapes: shape of each array of theta; given with `fit`.
        shipped: for fitted policies: makes the theta that comes with the plugin, or None where none does.
        uses: signals that a policy with a pure form reads where curves have them, beside those it requires. What is
            missing in a loop counts as NaN, without a word; over arrays `batch.signals` may lack them.
        plain: for `metaopt show --code`, or None: the body of `def should_stop(history, total_steps)`, where `history`
            is a list of (step, value), one an epoch, lower is better, and `math` is known.
    """

    kind: ClassVar[str] = "stopper"

    fires: Fires | FittedFires | None = None
    factory: Callable[..., Stopper] | None = None
    combines: bool = False
    fit: Fit | None = None
    theta_shapes: ThetaShapes = field(default_factory=dict)
    shipped: Callable[[], StopperTheta] | None = None
    uses: frozenset[str] = frozenset()
    plain: Plain | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stopper(self)
        object.__setattr__(self, "uses", names_of_signals(self, "uses", self.uses))

    def learned(self, theta: Mapping[str, object] | None = None) -> StopperTheta:
        """Theta as arrays, or what ships without one; raises what `metaopt.contracts.fitted.learned_theta` raises."""
        return learned_theta(self.name, theta, self.theta_shapes, self.shipped)

    def pure(self, theta: StopperTheta) -> Fires:
        """`fires` of batch and hyperparameters alone, holding theta (see `learned`) where it takes one."""
        if self.fires is None:
            raise PluginError(f"Stopper {self.name!r} has no pure form.")
        fires: FittedFires = self.fires
        return fires if self.fit is None else partial(fires, theta=theta)


@final
@known_keywords(PluginError)
@dataclass(frozen=True, kw_only=True)
class CorpusSpec(PluginSpec):
    """A corpus of tasks by name.

    Attributes:
        load: makes the corpus; heavy imports belong inside.
        reference_runs: file with the runs of its tasks' references, or None: whoever tunes on them need not train
            these. They are found by task fingerprint; a changed task's are never used.
    """

    kind: ClassVar[str] = "corpus"

    load: Callable[[], Corpus]
    reference_runs: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_functions(self, load=self.load)


KINDS: Mapping[str, type[PluginSpec]] = {
    spec.kind: spec
    for spec in (
        OptimizerSpec,
        WrapperSpec,
        ControllerSpec,
        StopperSpec,
        LearnerSpec,
        WeightingSpec,
        SurgerySpec,
        CorpusSpec,
    )
}
