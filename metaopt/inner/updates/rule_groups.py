"""The update of all members that share a rule: one slice of the population."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from metaopt.configuration import Assembly
from metaopt.contracts import Rule, Tensors, Theta
from metaopt.inner.member import Member
from metaopt.inner.updates.layout import Flats, Layout, cut_where_decay_ends, is_spared_part, joined_where_decay_ends
from metaopt.inner.updates.member_rule import (
    BroadcastRule,
    MemberRule,
    MemberStep,
    UniformRule,
    VmappedRule,
    broadcasts,
)
from metaopt.inner.updates.role_rule import role_rule
from metaopt.inner.updates.rule_step import MemberOptimizer, RuleGraphs
from metaopt.tracing import GraphMode


class RuleGroup:
    """Members that share a rule, side by side in the population.

    Args:
        members: they share `assembly.structure`.
        layout: of the parameters.
        flats: the whole population's parameters, written to.
        begin: position of the first of the members; they follow each other.
        horizon: planned number of steps, 0-d.
        theta: learned weights of the rule.
        mode: how the update is run.
        graphs: of rules, shared with other populations.

    Attributes:
        rows: the members' positions.
        base_rates: the members' `lr`, shape (members of the group,), or None where the rule has none.
    """

    def __init__(
        self,
        members: Sequence[Member],
        layout: Layout,
        flats: Flats,
        begin: int,
        horizon: Tensor,
        theta: Theta,
        mode: GraphMode,
        graphs: RuleGraphs,
    ) -> None:
        assembly = members[0].assembly
        self.rows = slice(begin, begin + len(members))
        numbers = _numbers(members)
        self.base_rates = numbers.get("lr")
        self._needs_loss = "loss" in assembly.requires
        self._entries_by_signal = assembly.tells
        mine = {key: flat[self.rows] for key, flat in flats.items()}
        _start(assembly.rule, layout, mine, theta)
        spares = assembly.configuration.no_decay != "none"
        ends = {key: layout.num_decayed(key) if spares else flat.shape[1] for key, flat in mine.items()}
        if assembly.has_roles:
            by_role = role_rule(assembly, layout)
            rule: MemberRule = by_role
            hparams = by_role.member_hparams([member.assembly for member in members])
        else:
            uniform = member_rule(assembly, layout, theta, graphs)
            rule, hparams = uniform, uniform.hparams(numbers, mine, ends)
        self._optimizer = MemberOptimizer(rule, mine, hparams, ends, theta, horizon, mode, graphs)

    def step(
        self,
        grads: Flats,
        rates: Tensor,
        losses: Tensor,
        signals: Mapping[str, Tensor],
        step: Tensor,
        horizon: Tensor,
        skipped: Tensor | None = None,
    ) -> None:
        """Step these members' parameters in place.

        Args:
            grads: of the whole population.
            rates: learning rates of the whole population, shape (members,).
            losses: training losses of the whole population, shape (members,).
            signals: required signals of the whole population, shape (members,) each.
            step: steps completed before, 0-d.
            horizon: planned number of steps, 0-d.
            skipped: positions in the population of the members that stay as they are, or None.
        """
        member_step = MemberStep(
            step=step,
            horizon=horizon,
            rates=None if self.base_rates is None else rates[self.rows],
            loss=losses[self.rows] if self._needs_loss else None,
            signals={name: value[self.rows] for name, value in signals.items()},
        )
        staying = self._own(skipped)
        before = None if staying is None else self._optimizer.members(staying)
        self._optimizer.step({key: grad[self.rows] for key, grad in grads.items()}, member_step)
        if staying is not None and before is not None:
            self._optimizer.put_back(staying, before)

    def _own(self, rows: Tensor | None) -> Tensor | None:
        """Those positions in the population that are this group's, counted from its first; None for none."""
        if rows is None:
            return None
        own = rows[(rows >= self.rows.start) & (rows < self.rows.stop)] - self.rows.start
        return own if len(own) else None

    def write_evaluation_params(self, flats: Flats) -> None:
        """Put the parameters to evaluate these members with into their rows of a copy of the population."""
        for key, own in self._optimizer.evaluation_params().items():
            flats[key][self.rows] = own

    def wrapper_signal(self, signal: str) -> Tensor:
        """A signal of the wrappers for stoppers, shape (members of the group,); NaN where no wrapper has it."""
        if signal not in self._entries_by_signal:
            return torch.full((self.rows.stop - self.rows.start,), torch.nan)
        return self._optimizer.shared[self._entries_by_signal[signal]].reshape(-1)


def member_rule(assembly: Assembly, layout: Layout, theta: Theta, graphs: RuleGraphs) -> UniformRule:
    """The assembly's rule as it is applied to several members.

    Args:
        assembly: the rule and its requirements.
        layout: of the parameters.
        theta: learned weights of the rule.
        graphs: which hold earlier trials of rules without weights.
    """
    rule = assembly.rule
    if rule.granularity == "coordinate":
        names, requires = tuple(assembly.rule_numbers()), assembly.requires
        trial = partial(broadcasts, rule, names, theta, requires)
        if trial() if theta else graphs.get(("broadcasts", rule, names, requires), trial):
            return BroadcastRule(rule)
    if rule.granularity in ("coordinate", "sums"):
        return VmappedRule(rule, cut_where_decay_ends, joined_where_decay_ends, is_spared_part)
    return VmappedRule(rule, layout.cut, layout.join, layout.spares, dynamic=False)


def _start(rule: Rule, layout: Layout, flats: Flats, theta: Theta) -> None:
    """Replace the members' parameters by the rule's learned initialisation."""
    started = torch.vmap(lambda params: rule.start(params, theta))(layout.split(flats))
    for key, flat in layout.join(started).items():
        flats[key].copy_(flat)


def _numbers(members: Sequence[Member]) -> Tensors:
    numbers = [member.assembly.rule_numbers() for member in members]
    return {name: torch.tensor([own[name] for own in numbers]) for name in numbers[0]}
