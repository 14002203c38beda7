"""Stateful shells for users' own training loops."""

from metaopt.deploy.build import build_optimizer, create_optimizer
from metaopt.deploy.evaluation import evaluating
from metaopt.deploy.rule_optimizer import RuleOptimizer
from metaopt.deploy.scheduler import create_scheduler
from metaopt.deploy.stopping import create_stopper

__all__ = [
    "RuleOptimizer",
    "build_optimizer",
    "create_optimizer",
    "create_scheduler",
    "create_stopper",
    "evaluating",
]
