"""What a rule that takes over keeps of another one's state."""

from collections.abc import Mapping

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
