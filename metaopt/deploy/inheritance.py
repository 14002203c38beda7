"""What a rule that takes over keeps of another one's state."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor


def inherited(own: Mapping[str, Tensor], kept: Mapping[str, Tensor], steps: int) -> dict[str, Tensor]:
    """A tensor's fresh state with the moments of the rule before it.

    Args:
        own: fresh, by the new rule's keys.
        kept: what the old rule had, by the same keys; entries that are not finite count as 0.
        steps: taken so far, for old rules that did not count.
    """
    # Products of decays (NAdam's `mu_product`) have long vanished.
    given = {"step": torch.tensor(float(steps)), "mu_product": torch.zeros(()), **kept}
    return {
        key: given[key].to(value).clone().nan_to_num(0.0, 0.0, 0.0) if key in given else value
        for key, value in own.items()
    }


def take_over(group: MutableMapping[str, Any], hparams: Mapping[str, Any]) -> None:
    """Give a param group the new rule's hyperparameters; a scheduler's share of the rate stays what it was."""
    base, rate = float(group.get("initial_lr", 0.0)), float(group.get("lr", 0.0))
    group.update(hparams)
    if base and "lr" in hparams:
        group["initial_lr"] = float(hparams["lr"])
        group["lr"] = hparams["lr"] * (rate / base)
