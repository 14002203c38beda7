"""How a learned rule is meta-trained, as its plugin declares it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal, TypeAlias, final, get_args

import torch
from torch import Tensor

from metaopt.contracts.rule import Tensors
from metaopt.errors import PluginError, known_keywords, quoted
from metaopt.space import Categorical, Float, Int, Space, Value

#: From parameters, a generator and the hyperparameters of meta-training to theta.
InitTheta: TypeAlias = Callable[[Mapping[str, Tensor], torch.Generator, Mapping[str, Value]], Tensors]

#: From named arrays, as a rule's authors store its weights, to the plugin that these are for and its theta.
Imported: TypeAlias = Callable[[Mapping[str, Tensor]], tuple[str, Tensors]]

#: `backprop`: the gradient through the unrolled inner loop; `reptile`: from the start towards where it ended; `es` and
#: `pes`: antithetic evolution strategies over truncated trainings, without and with persistent noise; `reinforce`: the
#: policy gradient over truncated trainings.
EstimatorName: TypeAlias = Literal["backprop", "reptile", "es", "pes", "reinforce"]
ESTIMATORS = get_args(EstimatorName)
#: `final`: the query loss after the last step; `trajectory`: the mean of the training losses after each step;
#: `log_trajectory`: of their logarithms, so that a share less counts the same at the end as in the beginning.
Objective: TypeAlias = Literal["final", "trajectory", "log_trajectory"]
OBJECTIVES = get_args(Objective)


_EVOLUTION: Space = {
    "deviation": Float(1e-3, 1e-1, log=True, default=1e-2, valid="(0, inf)"),
    "rescaled": Float(1.0, 1000.0, log=True, default=1.0, valid="[1, inf)"),
    "outer_decay": Float(1e-4, 1e-1, log=True, default=0.0, valid="[0, inf)"),
}
_STRATEGY: Space = {"late": Float(0.5, 4.0, default=0.0, valid="[0, inf)")}


def outer_space(outer_lr: float) -> Space:
    """The outer Adam's rate and how far it falls, for whatever is meta-trained; with the rate's default."""
    return {
        "outer_lr": Float(1e-4, 1e-2, log=True, default=outer_lr, valid="(0, inf)"),
        "outer_final": Float(0.01, 1.0, log=True, default=1.0, valid="[0, 1]"),
    }


@final
@known_keywords(PluginError)
@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a rule decides at random while it is trained by a policy gradient.

    Where theta has `Policy.NOISE`, of shape (steps, *shape), the rule adds the entry of its step, counted modulo the
    number of steps, to its decision, and writes what it saw into the same row of entries of its shared state.

    Attributes:
        shape: of a decision.
        begins: entries of the shared state that a decision depends on beside what is seen: its recurrent state.
        trace: entries of the shared state with a row for each step.
        decisions: from theta, `begins` before the first step and `trace` after the last one to decisions without noise,
            shape (steps, *shape).
    """

    NOISE: ClassVar[str] = "policy.noise"

    shape: tuple[int, ...]
    begins: tuple[str, ...]
    trace: tuple[str, ...]
    decisions: Callable[[Mapping[str, Tensor], Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]


@final
@known_keywords(PluginError)
@dataclass(frozen=True, kw_only=True)
class MetaTraining:
    """How a learned rule gets its weights.

    Attributes:
        init_theta: the weights before meta-training, from parameters by name, those of the layer that gives the output
            last, a generator, and the hyperparameters of `space` as people write them.
        estimator: where the gradient of the meta-objective comes from.
        objective: what is minimised.
        orders: whether the derivative of the inner gradient is taken: `("second",)`, `("first",)`, or both, to be
            tuned.
        space: hyperparameters that matter to meta-training alone, such as the rates it starts from; those that every
            meta-training has (`outer_lr`, `inner_steps`, `order`, `clip`) are added.
        outer_lr: default of the outer Adam's learning rate.
        clip: default norm that meta-gradients are clipped to; 0 for none.
        prototypes: whether the last linear layer starts from the means of the support set's features, class by class.
        truncation: inner steps that a gradient passes back through, or None for all of them.
        policy: what is decided at random under `reinforce`.
        imported: reads weights that others trained; see `metaopt import`.
        shipped: weights that come with the plugin, for whoever has none; called when they are needed.
        check: raises InputError where weights are not the rule's, or not valid; called before they are used.
        handover: from one tensor's state to what a rule of Adam's kind would have in its own (`exp_avg`, `exp_avg_sq`,
            `step`), for the rule that takes over when a learned one is out of its depth. Its presence says that whole
            trainings are watched for that.
        drawn: entries of the rule's state that tell what it does, by their name in pictures; see `metaopt show
            --explain`. They are drawn through a sigmoid where the name ends in "gate".
    """

    init_theta: InitTheta
    estimator: EstimatorName = "backprop"
    objective: Objective = "final"
    orders: tuple[Literal["first", "second"], ...] = ("second",)
    space: Space = field(default_factory=dict)
    outer_lr: float = 1e-3
    clip: float = 0.0
    prototypes: bool = False
    truncation: int | None = None
    policy: Policy | None = None
    imported: Imported | None = None
    shipped: Callable[[], Tensors] | None = None
    check: Callable[[Mapping[str, Tensor]], None] | None = None
    handover: Callable[[Mapping[str, Tensor]], Tensors] | None = None
    drawn: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise PluginError(f"MetaTraining: estimator must be one of {ESTIMATORS}, got {quoted(self.estimator)}.")
        if self.objective not in OBJECTIVES:
            raise PluginError(f"MetaTraining: objective must be one of {OBJECTIVES}, got {quoted(self.objective)}.")
        if self.objective == "log_trajectory" and not self.over_trainings:
            raise PluginError("MetaTraining: objective 'log_trajectory' is for estimators 'es', 'pes' and 'reinforce'.")
        if (self.policy is None) == (self.estimator == "reinforce"):
            raise PluginError("MetaTraining: estimator 'reinforce', and no other, needs policy=Policy(…).")
        if not self.orders or set(self.orders) - {"first", "second"}:
            raise PluginError(f"MetaTraining: orders must name 'first', 'second' or both, got {quoted(self.orders)}.")
        if self.truncation is not None and self.truncation < 1:
            raise PluginError(
                f"MetaTraining: truncation must be a positive number of steps, got {quoted(self.truncation)}."
            )

    @cached_property
    def over_trainings(self) -> bool:
        """Whether its estimator runs whole trainings in pairs, with noise and without derivatives of them."""
        return self.estimator in ("es", "pes", "reinforce")

    @cached_property
    def full_space(self) -> Space:
        """All hyperparameters of meta-training.

        `outer_lr` is the outer Adam's rate, which falls in a straight line to `outer_final` times that; `inner_steps`
        how many steps are taken on a support set, 0 for as many as the task says; `order` whether the derivative of the
        inner gradient is taken (`"second"`); `clip` the norm that meta-gradients are clipped to, 0 for none. Estimators
        over whole trainings have `deviation`, of the noise on weights or decisions, `rescaled`, 1 for none: the largest
        number that a training's parameters are multiplied by, in effect, or divided by, and `outer_decay`, AdamW's
        weight decay. Evolution strategies have `late`: a loss counts in proportion to the fraction of the training that
        is done, to this power; 0 for the same throughout.
        """
        return {
            **outer_space(self.outer_lr),
            "inner_steps": Int(1, 10, default=0, valid="[0, inf)"),
            "order": Categorical(self.orders),
            "clip": Float(0.1, 10.0, log=True, default=self.clip, valid="[0, inf)"),
            **(_EVOLUTION if self.over_trainings else {}),
            **(_STRATEGY if self.estimator in ("es", "pes") else {}),
            **self.space,
        }
