"""The update of all members that share a rule: one slice of the population."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import torch
from torch import Tensor

from metaopt.configuration import Assembly
from metaopt.contracts import Rule, Tensors
from metaopt.contracts.rule import Theta
from metaopt.inner.layout import Flats, Layout
from metaopt.inner.member import Member
from metaopt.inner.vmapped_update import Now, Update, VmappedUpdate
from metaopt.inner.wide_update import WideUpdate, broadcasts

_Arrange: TypeAlias = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


class RuleGroup:
    """Members that share a rule, side by side in the population.

    Args:
        members: they share `assembly.structure`.
        layout: of the parameters.
        flats: the whole population's parameters, written to.
        begin: position of the first of the members; they follow each other.
        horizon: planned number of steps, 0-d.
        theta: learned weights of the rule.

    Attributes:
        rows: the members' positions.
        base_rates: the members' `lr`, shape (members of the group,), or None where the rule has none.
    """

    def __init__(
        self, members: Sequence[Member], layout: Layout, flats: Flats, begin: int, horizon: Tensor, theta: Theta
    ) -> None:
        assembly = members[0].assembly
        self.rows = slice(begin, begin + len(members))
        hparams = _numbers(members)
        self.base_rates = hparams.get("lr")
        self._needs_loss = "loss" in assembly.requires
        mine = {key: flat[self.rows] for key, flat in flats.items()}
        _start(assembly.rule, layout, mine, theta)
        spares = assembly.configuration.no_decay != "none"
        self._cut: _Arrange = _as_it_is
        self._whole: _Arrange = _as_it_is
        self._update: Update
        if _is_wide(assembly, tuple(hparams), theta):
            decayed = {key: layout.num_decayed(key) if spares else flat.shape[1] for key, flat in mine.items()}
            self._update = WideUpdate(assembly.rule, mine, hparams, decayed, theta, horizon)
        else:
            end_to_end = assembly.rule.granularity in ("coordinate", "sums")
            self._cut, self._whole = (layout.treatments, layout.whole) if end_to_end else (layout.split, layout.join)
            params = self._cut(mine)
            named = {name: _spared(hparams) if spares and layout.spares(name) else hparams for name in params}
            self._update = VmappedUpdate(assembly.rule, params, named, theta, horizon)

    def step(
        self, grads: Flats, rates: Tensor, losses: Tensor, signals: Tensors, step: Tensor, horizon: Tensor
    ) -> None:
        """Update these members' parameters in place.

        Args:
            grads: of the whole population.
            rates: learning rates of the whole population, shape (members,).
            losses: training losses of the whole population, shape (members,).
            signals: required signals of the whole population, shape (members,) each.
            step: steps completed before, 0-d.
            horizon: planned number of steps, 0-d.
        """
        now = Now(
            step=step,
            horizon=horizon,
            loss=losses[self.rows] if self._needs_loss else None,
            signals={name: value[self.rows] for name, value in signals.items()},
        )
        mine = self._cut({key: grad[self.rows] for key, grad in grads.items()})
        self._update.step(mine, None if self.base_rates is None else rates[self.rows], now)

    def write_evaluation_params(self, flats: Flats) -> None:
        """Put the parameters to evaluate these members with into their rows of a copy of the population."""
        found = self._whole(self._update.evaluation_params())
        for key, flat in flats.items():
            flat[self.rows] = found[key]


def _start(rule: Rule, layout: Layout, flats: Flats, theta: Theta) -> None:
    """Replace the members' parameters by the rule's learned initialisation."""
    started = torch.vmap(lambda params: rule.start(params, theta))(layout.split(flats))
    for key, flat in layout.join(started).items():
        flats[key].copy_(flat)


def _is_wide(assembly: Assembly, names: tuple[str, ...], theta: Theta) -> bool:
    if assembly.rule.granularity != "coordinate":
        return False
    if theta or not isinstance(assembly.rule, Hashable):
        return broadcasts(assembly.rule, names, theta, assembly.requires)
    return _broadcasts_without_theta(assembly.rule, names, assembly.requires)


@lru_cache(maxsize=256)
def _broadcasts_without_theta(rule: Rule, names: tuple[str, ...], requires: frozenset[str]) -> bool:
    return broadcasts(rule, names, {}, requires)


def _numbers(members: Sequence[Member]) -> Tensors:
    numbers = [member.assembly.rule_numbers() for member in members]
    return {name: torch.tensor([one[name] for one in numbers]) for name in numbers[0]}


def _spared(hparams: Tensors) -> Tensors:
    if "weight_decay" not in hparams:
        return hparams
    return {**hparams, "weight_decay": torch.zeros_like(hparams["weight_decay"])}


def _as_it_is(flats: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return dict(flats)
