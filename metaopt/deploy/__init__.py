"""Stateful shells for users' own training loops."""

from metaopt.deploy.build import build_optimizer, create_optimizer
from metaopt.deploy.evaluation import evaluating
from metaopt.deploy.rule_optimizer import RuleOptimizer

__all__ = ["RuleOptimizer", "build_optimizer", "create_optimizer", "evaluating"]
