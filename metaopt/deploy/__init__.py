"""Stateful shells for users' own training loops."""

from metaopt.deploy.accelerated import checked_accelerator, unwrapped
from metaopt.deploy.evaluation import averages, evaluating
from metaopt.deploy.gradient_evidence import MicroBatches, gradient_evidence
from metaopt.deploy.gradient_guard import GradientGuard, GuardPolicy
from metaopt.deploy.handover import handover_of
from metaopt.deploy.optimizer.assembly_optimizer import AssemblyOptimizer
from metaopt.deploy.optimizer.build import Implementation, build_optimizer, create_optimizer
from metaopt.deploy.optimizer.learned_weights import weights_of
from metaopt.deploy.optimizer.parameters import Params, as_groups, check_member, tensors_of
from metaopt.deploy.optimizer.rule_optimizer import RuleOptimizer
from metaopt.deploy.ranks.rank_group import Distributed, RankGroup
from metaopt.deploy.roles.role_groups import roles_without_parameters
from metaopt.deploy.roles.stated_roles import check_patterns
from metaopt.deploy.run import Run
from metaopt.deploy.scheduler.create import create_scheduler
from metaopt.deploy.scheduler.rate_lookup import rate_table
from metaopt.deploy.scheduler.scheduler import GRADIENT_SIGNALS, PLAIN_SIGNALS, ControllerScheduler
from metaopt.deploy.sharding.checkpoint import load_checkpoint
from metaopt.deploy.state.model_names import ModelNames
from metaopt.deploy.stopping.configuration import (
    StopperConfiguration,
    build_stopper,
    create_stopper,
    stopper_requires,
    stopper_specs,
    stopper_uses,
)
from metaopt.deploy.stopping.judgement import Judgement, WrapperSignals

__all__ = [
    "GRADIENT_SIGNALS",
    "PLAIN_SIGNALS",
    "AssemblyOptimizer",
    "ControllerScheduler",
    "Distributed",
    "GradientGuard",
    "GuardPolicy",
    "Implementation",
    "Judgement",
    "MicroBatches",
    "ModelNames",
    "Params",
    "RankGroup",
    "RuleOptimizer",
    "Run",
    "StopperConfiguration",
    "WrapperSignals",
    "as_groups",
    "averages",
    "build_optimizer",
    "build_stopper",
    "check_member",
    "check_patterns",
    "checked_accelerator",
    "create_optimizer",
    "create_scheduler",
    "create_stopper",
    "evaluating",
    "gradient_evidence",
    "handover_of",
    "load_checkpoint",
    "rate_table",
    "roles_without_parameters",
    "stopper_requires",
    "stopper_specs",
    "stopper_uses",
    "tensors_of",
    "unwrapped",
    "weights_of",
]
