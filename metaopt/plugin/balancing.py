"""What weightings and surgeries of several tasks declare."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, TypeAlias, final

from metaopt.contracts import BalanceState, CombineGradients, InitBalance, MixTasks, TensorHparams, WeighTasks
from metaopt.errors import PluginError, known_keywords
from metaopt.plugin.checks import check_functions
from metaopt.plugin.plugin_spec import PluginSpec
from metaopt.space import Categorical, Space

#: What surgery takes gradients with respect to: weights of the trunk, or its output.
Level: TypeAlias = Literal["parameters", "representation"]


def no_state(tasks: int, hparams: TensorHparams) -> BalanceState:
    """The state of what remembers nothing."""
    return {}


@final
@known_keywords(PluginError)
@dataclass(frozen=True, kw_only=True)
class WeightingSpec(PluginSpec):
    """How much each task's loss counts: a step descends the mean of weight_k · loss_k, so that equal weights are 1.

    Its functions are pure: nothing is written in place, no value is read. Hyperparameters are 0-d tensors.

    Attributes:
        weigh: `(losses, state, hparams, info) -> (weights, state)`, from this step's losses, of shape (tasks,), without
            gradients, to weights of that shape. `info` is a `metaopt.StepInfo` with the step and the horizon.
        init: `(tasks, hparams) -> state` before the first step, tensors by name, from the number of tasks; nothing if
            left out.
    """

    kind: ClassVar[str] = "weighting"

    weigh: WeighTasks
    init: InitBalance = no_state

    def __post_init__(self) -> None:
        super().__post_init__()
        check_functions(self, weigh=self.weigh, init=self.init)
        _check_plain(self)


@final
@known_keywords(PluginError)
@dataclass(frozen=True, kw_only=True)
class SurgerySpec(PluginSpec):
    """What becomes of each task's gradient of the trunk, where they disagree: one gradient for all.

    It has exactly one of two functions, pure as those of a `WeightingSpec`. Gradients are those of weighted losses;
    heads are given their own tasks' alone.

    Attributes:
        mix: `(gram, state, hparams, info) -> (coefficients, state)`, for what lies in the span of the gradients: from
            their inner products, of shape (tasks, tasks), to shape (tasks,); the mean has 1 / tasks.
        combine: `(gradients, state, hparams, info) -> (gradient, state)`, for all else: from shape (tasks, numbers) to
            shape (numbers,).
        init: `(tasks, hparams) -> state` before the first step; nothing if left out.
    """

    kind: ClassVar[str] = "surgery"

    mix: MixTasks | None = None
    combine: CombineGradients | None = None
    init: InitBalance = no_state

    def __post_init__(self) -> None:
        super().__post_init__()
        optional = {"mix": self.mix, "combine": self.combine}
        check_functions(self, init=self.init, **{name: each for name, each in optional.items() if each is not None})
        if (self.mix is None) == (self.combine is None):
            raise PluginError(f"SurgerySpec(name={self.name!r}) needs exactly one of mix= and combine=.")
        _check_plain(self)
        if "level" in self.space:
            raise PluginError(f"SurgerySpec(name={self.name!r}): space declares 'level', which every surgery has.")

    @cached_property
    def full_space(self) -> Space:
        """`space`, and what every surgery has.

        `level` says what gradients are taken of: the trunk's `"parameters"`, with a backward pass through it for each
        task; or its output, the `"representation"`, with one for all (Sener and Koltun 2018), where tasks have the same
        inputs.
        """
        return {"level": Categorical(("parameters", "representation"), proposed=("parameters",)), **self.space}

    @property
    def tuned_space(self) -> Space:
        """`full_space`."""
        return self.full_space


def level_of(values: Mapping[str, object]) -> Level:
    """What surgery takes gradients of, by its hyperparameters."""
    return "representation" if values["level"] == "representation" else "parameters"


def _check_plain(spec: WeightingSpec | SurgerySpec) -> None:
    """Refuse what weightings and surgeries cannot declare."""
    for name in ("requires", "requires_when", "structural"):
        if getattr(spec, name):
            raise PluginError(
                f"{type(spec).__name__}(name={spec.name!r}): {name} is for plugins of other kinds; leave it out."
            )
