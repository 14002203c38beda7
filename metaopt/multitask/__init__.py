"""Several tasks at work on one trunk: how their losses and gradients become one step."""

from metaopt.multitask.balance import Balance, BalanceHparams
from metaopt.multitask.module_balance import ModuleBalance

__all__ = ["Balance", "BalanceHparams", "ModuleBalance"]
