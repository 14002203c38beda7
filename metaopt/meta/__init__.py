"""Meta-training: what learned rules get their weights by."""

from metaopt.meta.trainer import MetaProgress, MetaTrained, Trainer

__all__ = ["MetaProgress", "MetaTrained", "Trainer"]
