"""Which coordinate rules are written so that whole buffers broadcast: a trial tells."""

import torch
from torch import Tensor

from metaopt.contracts import Rule, Theta
from metaopt.inner.updates.layout import cut_where_decay_ends, is_spared_part, joined_where_decay_ends
from metaopt.inner.updates.member_rule import BroadcastRule, MemberRule, MemberStep, VmappedRule

_MEMBERS, _COORDINATES, _STEPS = 3, 5, 3


def broadcasts(rule: Rule, names: tuple[str, ...], theta: Theta, requires: frozenset[str]) -> bool:
    """Whether `BroadcastRule` gives bit for bit what `VmappedRule` gives, on random numbers.

    Args:
        rule: of granularity `"coordinate"`.
        names: of its hyperparameters.
        theta: learned weights of the rule.
        requires: signals that the rule requires.
    """
    vmapped = VmappedRule(rule, cut_where_decay_ends, joined_where_decay_ends, is_spared_part)
    expected = _trajectory(vmapped, names, theta, requires)
    try:
        return torch.allclose(
            _trajectory(BroadcastRule(rule), names, theta, requires), expected, 0.0, 0.0, equal_nan=True
        )
    except Exception:  # a rule may do anything with shapes that it does not expect
        return False


def _trajectory(member_rule: MemberRule, names: tuple[str, ...], theta: Theta, requires: frozenset[str]) -> Tensor:
    """Parameters after each of a few steps and those to evaluate with, shape (steps + 1, members, coordinates)."""
    generator = torch.Generator().manual_seed(0)
    numbers = {name: torch.rand(_MEMBERS, generator=generator) for name in names}
    for value in numbers.values():
        value[0] = 0.0  # a member that takes the other branch of every choice
    params = {"": torch.randn(_MEMBERS, _COORDINATES, generator=generator)}
    ends, horizon = {"": _COORDINATES // 2}, torch.tensor(float(_STEPS))
    hparams = member_rule.hparams(numbers, params, ends)
    state = member_rule.init(params, hparams, ends, theta, horizon)
    visited = []
    for step in range(_STEPS):
        grads = {"": torch.randn(_MEMBERS, _COORDINATES, generator=generator)}
        number = torch.rand(_MEMBERS, generator=generator)
        member_step = MemberStep(
            step=torch.tensor(float(step)),
            horizon=horizon,
            rates=number if "lr" in names else None,
            loss=number if "loss" in requires else None,
            signals=dict.fromkeys(requires - {"loss"}, number),
        )
        updates, state = member_rule.advance(params, grads, state, hparams, ends, theta, member_step)
        params = {"": params[""] + updates[""]}
        visited.append(params[""])
    return torch.stack([*visited, member_rule.evaluation_params(params, state, hparams, ends)[""]])
