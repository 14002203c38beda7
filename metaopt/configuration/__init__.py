"""A choice of plugins and hyperparameters."""

from metaopt.configuration.assembling import ANCHORED, assemble, misfit, untaken
from metaopt.configuration.assembly import Assembly
from metaopt.configuration.configuration import Configuration, NoDecay
from metaopt.configuration.role import Role

__all__ = ["ANCHORED", "Assembly", "Configuration", "NoDecay", "Role", "assemble", "misfit", "untaken"]
