"""What plugins implement and exchange."""

from metaopt.contracts.composite_rule import CompositeRule
from metaopt.contracts.curve import Array, Curve
from metaopt.contracts.default_dtype import Float32ByDefault, default_for
from metaopt.contracts.event import Event, Reporter, Watch, to_stderr
from metaopt.contracts.fitted import Fit, StopperTheta, ThetaShapes, learned_theta
from metaopt.contracts.gradient_limits import GradientLimits
from metaopt.contracts.meta.learner import BACKBONE, Classify, FitSupport, InitLearner, PredictQueries, SupportSet
from metaopt.contracts.meta.meta_training import InitTheta, MetaTraining, Policy, outer_space
from metaopt.contracts.multitask.balancing import (
    BalanceState,
    CombineGradients,
    InitBalance,
    MixTasks,
    WeighTasks,
)
from metaopt.contracts.multitask.multi_task import JointLosses, MultiTask
from metaopt.contracts.multitask.shared_trunk import SharedTrunk, TrunkPass
from metaopt.contracts.per_tensor import (
    MeasureOne,
    PerTensorRule,
    per_tensor,
    prepared,
    prepared_update,
)
from metaopt.contracts.rates.controller import Cadence, Controller, ControllerState, Rate
from metaopt.contracts.rates.rate_law import ANCHOR, AXES, SIGNS, RateLaw, Scale
from metaopt.contracts.rates.warm_up import plain_warmup, warmup_horizon, warmup_multiplier
from metaopt.contracts.rule import (
    Granularity,
    Hparams,
    Params,
    Rule,
    State,
    TensorHparams,
    Tensors,
    TensorState,
    Theta,
    empty_state,
    in_order,
    keys_in_order,
)
from metaopt.contracts.scan import CurvePoint, scan
from metaopt.contracts.steering_rule import SteeringRule
from metaopt.contracts.step_info import SIGNALS, StepInfo
from metaopt.contracts.stopper import Decision, Mode, Observation, Stopper
from metaopt.contracts.tasks.black_box import BlackBoxTask
from metaopt.contracts.tasks.corpus import AnyTask, Corpus
from metaopt.contracts.tasks.draws import ALL_REDRAWN, PLENTY, REDRAWN, Redraw
from metaopt.contracts.tasks.few_shot import (
    BatchNormPolicy,
    Episodes,
    EpisodeSource,
    FewShotTask,
    LabelledSource,
    Partition,
)
from metaopt.contracts.tasks.model_task import (
    Augment,
    LossFunction,
    called,
    check_trains,
    evenly_spread,
    give_shapes,
    is_unshaped,
    num_trained,
)
from metaopt.contracts.tasks.own_space import own_values
from metaopt.contracts.tasks.task import Split, Splits, Task
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
    "ALL_REDRAWN",
    "ANCHOR",
    "AXES",
    "BACKBONE",
    "PLENTY",
    "REDRAWN",
    "SIGNALS",
    "SIGNS",
    "AnyTask",
    "Array",
    "Augment",
    "BalanceState",
    "BatchNormPolicy",
    "BlackBoxTask",
    "Cadence",
    "Classify",
    "CombineGradients",
    "CompositeRule",
    "Controller",
    "ControllerState",
    "Corpus",
    "Curve",
    "CurveBatch",
    "CurvePoint",
    "Decision",
    "EpisodeSource",
    "Episodes",
    "Event",
    "FewShotTask",
    "Fires",
    "Fit",
    "FitSupport",
    "Float32ByDefault",
    "GradientLimits",
    "Granularity",
    "Hparams",
    "InitBalance",
    "InitLearner",
    "InitTheta",
    "JointLosses",
    "LabelledSource",
    "LossFunction",
    "MeasureOne",
    "MetaTraining",
    "MixTasks",
    "Mode",
    "MultiTask",
    "Observation",
    "Params",
    "Partition",
    "PerTensorRule",
    "Policy",
    "PredictQueries",
    "Rate",
    "RateLaw",
    "Redraw",
    "Reporter",
    "Rule",
    "Scale",
    "SharedTrunk",
    "Split",
    "Splits",
    "State",
    "SteeringRule",
    "StepInfo",
    "Stopper",
    "StopperTheta",
    "SupportSet",
    "Task",
    "TensorHparams",
    "TensorState",
    "Tensors",
    "Theta",
    "ThetaShapes",
    "ThresholdStopper",
    "TrunkPass",
    "Watch",
    "WeighTasks",
    "WrappedRule",
    "called",
    "check_trains",
    "default_for",
    "empty_state",
    "evenly_spread",
    "first_stop",
    "first_stop_of_all",
    "first_stop_of_any",
    "give_shapes",
    "in_order",
    "is_unshaped",
    "keys_in_order",
    "learned_theta",
    "num_trained",
    "outer_space",
    "own_values",
    "per_tensor",
    "plain_warmup",
    "prepared",
    "prepared_update",
    "scan",
    "to_stderr",
    "warmup_horizon",
    "warmup_multiplier",
]
