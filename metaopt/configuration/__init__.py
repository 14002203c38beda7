"""A choice of plugins and hyperparameters, and the rates that it comes to."""

from metaopt.configuration.assembling import assemble, misfit
from metaopt.configuration.assembly import Assembly
from metaopt.configuration.configuration import Configuration, NoDecay
from metaopt.configuration.rate_table import rate_table
from metaopt.configuration.role import Role
from metaopt.configuration.takes import check_takes

__all__ = ["Assembly", "Configuration", "NoDecay", "Role", "assemble", "check_takes", "misfit", "rate_table"]
