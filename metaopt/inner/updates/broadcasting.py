"""Which coordinate rules are written so that whole buffers broadcast: found out by a trial."""

from functools import lru_cache

import torch
from torch import Tensor

from metaopt.contracts import Rule, Theta
from metaopt.inner.updates.layout import cut_where_decay_ends, is_spared_part, joined_where_decay_ends
from metaopt.inner.updates.member_rule import Form, Now, Vmapped, Wide
from metaopt.tracing import is_hashable

_MEMBERS, _COORDINATES, _STEPS = 3, 5, 3


def broadcasts(rule: Rule, names: tuple[str, ...], theta: Theta, requires: frozenset[str]) -> bool:
    """Whether the form `Wide` gives bit for bit what `Vmapped` gives, on random numbers.

    Args:
        rule: of granularity `"coordinate"`.
        names: of its hyperparameters.
        theta: learned weights of the rule.
        requires: signals that it wants.
    """
    if theta or not is_hashable(rule):
        return _trial(rule, names, theta, requires)
    return _remembered_trial(rule, names, requires)


@lru_cache(maxsize=256)
def _remembered_trial(rule: Rule, names: tuple[str, ...], requires: frozenset[str]) -> bool:
    return _trial(rule, names, {}, requires)


def _trial(rule: Rule, names: tuple[str, ...], theta: Theta, requires: frozenset[str]) -> bool:
    vmapped = Vmapped(rule, cut_where_decay_ends, joined_where_decay_ends, is_spared_part)
    expected = _trajectory(vmapped, names, theta, requires)
    try:
        return torch.allclose(_trajectory(Wide(rule), names, theta, requires), expected, 0.0, 0.0, equal_nan=True)
    except Exception:  # whatever a rule does with shapes that it does not expect
        return False


def _trajectory(form: Form, names: tuple[str, ...], theta: Theta, requires: frozenset[str]) -> Tensor:
    """Parameters after each of a few steps and those to evaluate with, shape (steps + 1, members, coordinates)."""
    generator = torch.Generator().manual_seed(0)
    numbers = {name: torch.rand(_MEMBERS, generator=generator) for name in names}
    for value in numbers.values():
        value[0] = 0.0  # one member for the other side of every choice
    params = {"": torch.randn(_MEMBERS, _COORDINATES, generator=generator)}
    ends, horizon = {"": _COORDINATES // 2}, torch.tensor(float(_STEPS))
    hparams = form.hparams(numbers, params, ends)
    state = form.init(params, hparams, ends, theta, horizon)
    seen = []
    for step in range(_STEPS):
        grads = {"": torch.randn(_MEMBERS, _COORDINATES, generator=generator)}
        number = torch.rand(_MEMBERS, generator=generator)
        now = Now(
            step=torch.tensor(float(step)),
            horizon=horizon,
            rates=number if "lr" in names else None,
            loss=number if "loss" in requires else None,
            signals=dict.fromkeys(requires - {"loss"}, number),
        )
        updates, state = form.advance(params, grads, state, hparams, ends, theta, now)
        params = {"": params[""] + updates[""]}
        seen.append(params[""])
    return torch.stack([*seen, form.evaluation_params(params, state, hparams, ends)[""]])
