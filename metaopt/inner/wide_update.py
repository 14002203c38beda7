"""A coordinate rule's update of whole (members, coordinates) buffers by broadcasting, without vmap.

A coordinate rule is arithmetic on numbers side by side. Handed tensors of shape (members, coordinates), with
hyperparameters and counters of shape (members, 1), it computes what it computes under vmap, at a fraction of the cost
for few members. Which rules are not written so is found out by a trial.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from metaopt.contracts import Rule, State, StepInfo, Tensors
from metaopt.contracts.rule import Theta
from metaopt.inner.vmapped_update import Now, VmappedUpdate, initial_state, with_rates

_TRIAL_MEMBERS, _TRIAL_COORDINATES, _TRIAL_STEPS = 3, 5, 3


class WideUpdate:
    """See `Update`.

    Args:
        rule: of granularity `"coordinate"`, for which `broadcasts` holds.
        params: buffers of shape (members, coordinates), written to.
        hparams: of shape (members,).
        decayed: for each buffer, the number of leading columns that get weight decay.
        theta: learned weights of the rule.
        horizon: planned number of steps, 0-d.
    """

    def __init__(
        self, rule: Rule, params: Tensors, hparams: Tensors, decayed: Mapping[str, int], theta: Theta, horizon: Tensor
    ) -> None:
        self._rule = rule
        self._params = params
        self._theta = theta
        self._hparams = {key: _widened(hparams, flat, decayed[key]) for key, flat in params.items()}
        self._state = _columns(initial_state(rule, params, dict.fromkeys(params, hparams), theta, horizon))

    def step(self, grads: Mapping[str, Tensor], rates: Tensor | None, now: Now) -> None:
        """See `Update`."""
        info = StepInfo(
            step=now.step,
            horizon=now.horizon,
            loss=None if now.loss is None else now.loss.unsqueeze(1),
            signals={name: value.unsqueeze(1) for name, value in now.signals.items()},
        )
        hparams = with_rates(self._hparams, None if rates is None else rates.unsqueeze(1))
        updates, self._state = self._rule.update(grads, self._state, self._params, hparams, self._theta, info)
        for key, update in updates.items():
            self._params[key].add_(update)

    def evaluation_params(self) -> Tensors:
        """See `Update`."""
        return self._rule.evaluation_params(self._params, self._state, self._hparams)


def broadcasts(rule: Rule, names: tuple[str, ...], theta: Theta, requires: frozenset[str]) -> bool:
    """Whether `WideUpdate` gives bit for bit what vmap gives, by a trial on random numbers.

    Args:
        rule: of granularity `"coordinate"`.
        names: of its hyperparameters.
        theta: learned weights of the rule.
        requires: signals that it wants.
    """
    generator = torch.Generator().manual_seed(0)
    count, end, horizon = _TRIAL_MEMBERS, _TRIAL_COORDINATES // 2, torch.tensor(float(_TRIAL_STEPS))
    hparams = {name: torch.rand(count, generator=generator) for name in names}
    for value in hparams.values():
        value[0] = 0.0  # one member for the other side of every choice
    spared = {**hparams, "weight_decay": torch.zeros(count)} if "weight_decay" in hparams else hparams
    flat = torch.randn(count, _TRIAL_COORDINATES, generator=generator)
    parts = {"decayed": flat[:, :end].clone(), "spared": flat[:, end:].clone()}
    try:
        wide = WideUpdate(rule, {"all": flat}, hparams, {"all": end}, theta, horizon)
        vmapped = VmappedUpdate(rule, parts, {"decayed": hparams, "spared": spared}, theta, horizon)
        for step in range(_TRIAL_STEPS):
            grad = torch.randn(flat.shape, generator=generator)
            number = torch.rand(count, generator=generator)
            now = Now(
                step=torch.tensor(float(step)),
                horizon=horizon,
                loss=number if "loss" in requires else None,
                signals=dict.fromkeys(requires - {"loss"}, number),
            )
            rates = number if "lr" in hparams else None
            wide.step({"all": grad}, rates, now)
            vmapped.step({"decayed": grad[:, :end], "spared": grad[:, end:]}, rates, now)
        pairs = [(flat, parts), (wide.evaluation_params()["all"], vmapped.evaluation_params())]
        return all(_same(whole, torch.cat([cut["decayed"], cut["spared"]], dim=1)) for whole, cut in pairs)
    except Exception:  # whatever a rule does with shapes that it does not expect
        return False


def _widened(hparams: Tensors, flat: Tensor, decayed: int) -> Tensors:
    wide = {name: value.unsqueeze(1) for name, value in hparams.items()}
    if "weight_decay" in wide and decayed < flat.shape[1]:
        columns = torch.arange(flat.shape[1], device=flat.device) < decayed
        wide["weight_decay"] = wide["weight_decay"] * columns
    return wide


def _columns(state: State) -> State:
    """What was 0-d for each member, now of shape (members, 1)."""
    return {
        "tensors": {
            name: {key: value.unsqueeze(1) if value.ndim == 1 else value for key, value in own.items()}
            for name, own in state["tensors"].items()
        },
        "shared": {key: value.unsqueeze(1) if value.ndim == 1 else value for key, value in state["shared"].items()},
    }


def _same(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.allclose(first, second, rtol=0.0, atol=0.0, equal_nan=True)
