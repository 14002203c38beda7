"""What plugins implement and exchange."""

from metaopt.contracts.building import num_trained
from metaopt.contracts.controller import Cadence, Controller, ControllerState, Rate
from metaopt.contracts.corpus import AnyTask, Corpus
from metaopt.contracts.curve import Curve
from metaopt.contracts.few_shot import BatchNormPolicy, Episodes, EpisodeSource, FewShotTask, Partition
from metaopt.contracts.fitted import Fit, StopperTheta
from metaopt.contracts.meta_training import InitTheta, MetaTraining, Policy
from metaopt.contracts.per_tensor import PerTensorRule, per_tensor
from metaopt.contracts.rule import (
    Granularity,
    Hparams,
    Rule,
    State,
    Tensors,
    Theta,
    empty_state,
    in_order,
    keys_in_order,
)
from metaopt.contracts.steering_rule import SteeringRule
from metaopt.contracts.step_info import SIGNALS, StepInfo
from metaopt.contracts.stopper import Decision, Mode, Observation, Stopper
from metaopt.contracts.task import BlackBoxTask, Split, Splits, Task
from metaopt.contracts.threshold import (
    CurveBatch,
    Fires,
    ThresholdStopper,
    first_stop,
    first_stop_of_all,
    first_stop_of_any,
)
from metaopt.contracts.wrapped_rule import WrappedRule

__all__ = [
    "SIGNALS",
    "AnyTask",
    "BatchNormPolicy",
    "BlackBoxTask",
    "Cadence",
    "Controller",
    "ControllerState",
    "Corpus",
    "Curve",
    "CurveBatch",
    "Decision",
    "EpisodeSource",
    "Episodes",
    "FewShotTask",
    "Fires",
    "Fit",
    "Granularity",
    "Hparams",
    "InitTheta",
    "MetaTraining",
    "Mode",
    "Observation",
    "Partition",
    "PerTensorRule",
    "Policy",
    "Rate",
    "Rule",
    "Split",
    "Splits",
    "State",
    "SteeringRule",
    "StepInfo",
    "Stopper",
    "StopperTheta",
    "Task",
    "Tensors",
    "Theta",
    "ThresholdStopper",
    "WrappedRule",
    "empty_state",
    "first_stop",
    "first_stop_of_all",
    "first_stop_of_any",
    "in_order",
    "keys_in_order",
    "num_trained",
    "per_tensor",
]
