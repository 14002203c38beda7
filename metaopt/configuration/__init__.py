"""A choice of plugins and hyperparameters, and the rates that it comes to."""

from metaopt.configuration.configuration import Assembly, Configuration, NoDecay, assemble
from metaopt.configuration.misfit import misfit
from metaopt.configuration.rate_table import rate_table

__all__ = ["Assembly", "Configuration", "NoDecay", "assemble", "misfit", "rate_table"]
