"""The update of all members that share a rule, vmapped over one slice of the population."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from metaopt.contracts import State, StepInfo, Tensors
from metaopt.inner.layout import Layout
from metaopt.inner.member import Member


class RuleGroup:
    """Members that share a rule, side by side in the population.

    Args:
        members: they share `assembly.structure`.
        layout: the whole population's parameters.
        begin: position of the first of them; they follow each other.
        horizon: planned number of steps.
        theta: learned weights of the rule.
    """

    def __init__(
        self, members: Sequence[Member], layout: Layout, begin: int, horizon: int, theta: Mapping[str, Tensor]
    ) -> None:
        assembly = members[0].assembly
        self.requires = assembly.requires
        self.rule = assembly.rule
        self.rows = slice(begin, begin + len(members))
        self._layout = layout
        self._theta = theta
        self._horizon = torch.tensor(float(horizon))
        self._flat = self.rule.granularity == "coordinate"
        self._hparams = _stacked_hparams(members, layout, flat=self._flat)
        self._params = self._of(layout.buffers if self._flat else layout.views)
        start = torch.vmap(lambda params: self.rule.start(params, theta))(self._params)
        for name, param in self._params.items():
            param.copy_(start[name])
        self._state: State = torch.vmap(self._init)(self._params, self._hparams)

    def step(
        self, step: int, grads: Tensors, rates: Tensor | None, losses: Tensor, signals: Mapping[str, Tensor]
    ) -> None:
        """Update these members' parameters in place.

        Args:
            step: steps completed before.
            grads: of the whole population: by buffer's name where the rule acts on coordinates, else by parameter's.
            rates: learning rates of these members, shape (members of the group,), or None where the rule has no lr.
            losses: training losses of the whole population, shape (members,).
            signals: required signals of the whole population, shape (members,) each.
        """
        mine = {name: value[self.rows] for name, value in signals.items()}
        hparams = self._hparams
        if rates is not None:
            hparams = {name: {**values, "lr": rates} for name, values in hparams.items()}
        number = torch.tensor(float(step))
        updates, self._state = torch.vmap(self._update, in_dims=(0, 0, 0, 0, None, 0, 0))(
            self._of(grads), self._state, self._params, hparams, number, losses[self.rows], mine
        )
        for name, update in updates.items():
            self._params[name].add_(update)

    @property
    def base_rates(self) -> Tensor | None:
        """The members' `lr`, shape (members of the group,)."""
        return next(iter(self._hparams.values())).get("lr")

    @property
    def wants_buffers(self) -> bool:
        """Whether gradients are wanted by buffer rather than by parameter."""
        return self._flat

    def evaluation_views(self) -> dict[str, Tensor]:
        """Named parameters to evaluate these members with, shape (members of the group, *shape)."""
        found = torch.vmap(self.rule.evaluation_params)(self._params, self._state, self._hparams)
        return self._layout.split(found) if self._flat else found

    def _of(self, named: Mapping[str, Tensor]) -> Tensors:
        return {name: value[self.rows] for name, value in named.items()}

    def _init(self, params: Tensors, hparams: dict[str, Tensors]) -> State:
        return self.rule.init(params, hparams, self._theta, self._horizon)

    def _update(
        self,
        grads: Tensors,
        state: State,
        params: Tensors,
        hparams: dict[str, Tensors],
        step: Tensor,
        loss: Tensor,
        signals: Tensors,
    ) -> tuple[Tensors, State]:
        info = StepInfo(
            step=step, horizon=self._horizon, loss=loss if "loss" in self.requires else None, signals=signals
        )
        return self.rule.update(grads, state, params, hparams, self._theta, info)


def _stacked_hparams(members: Sequence[Member], layout: Layout, *, flat: bool) -> dict[str, Tensors]:
    numbers = [member.assembly.rule_numbers() for member in members]
    decayed = {name: torch.tensor([one[name] for one in numbers]) for name in numbers[0]}
    spares = members[0].assembly.configuration.no_decay != "none" and "weight_decay" in decayed
    spared = {**decayed, "weight_decay": torch.zeros(len(members))} if spares else decayed
    by_buffer = {"decayed": decayed, "spared": spared}
    if flat:
        return {kind: by_buffer[kind] for kind in layout.buffers}
    return {name: by_buffer[kind] for name, kind in layout.buffer_of.items()}
