"""Learners at work: a model's features, a support set made into a predictor, logits of whole episodes."""

from metaopt.learners.backbone import RUNNING, Backbone
from metaopt.learners.comparison import CLASSES, Comparison
from metaopt.learners.served import ServedLearner, fitting, served
from metaopt.learners.support import check_episodes, one_hot

__all__ = [
    "CLASSES",
    "RUNNING",
    "Backbone",
    "Comparison",
    "ServedLearner",
    "check_episodes",
    "fitting",
    "one_hot",
    "served",
]
