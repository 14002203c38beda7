"""Meta-training: what learned rules get their weights by."""

from metaopt.meta.state import MetaProgress, MetaTrained
from metaopt.meta.trainer import Trainer

__all__ = ["MetaProgress", "MetaTrained", "Trainer"]
