"""Several rules as one: each steps the tensors that are its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

from torch import Tensor

from metaopt.contracts.rule import Granularity, Hparams, Rule, State, Tensors, Theta
from metaopt.contracts.step_info import StepInfo


@final
@dataclass(frozen=True)
class CompositeRule(Rule):
    """Rules side by side, each with the hyperparameters and the state that it has alone.

    A tensor's state is that of its part; shared state has the part's name and a dot before its keys. Loss and signals
    are those of all tensors.

    Args:
        parts: rules by name, the first for tensors that nobody assigned.
        assigned: names of tensors with the names of their parts.
    """

    parts: tuple[tuple[str, Rule], ...]
    assigned: tuple[tuple[str, str], ...] = ()

    @cached_property
    def granularity(self) -> Granularity:  # type: ignore[override]
        """The coarsest of the parts'; where some sum over all their tensors and others need whole ones, `"tree"`."""
        kinds = {rule.granularity for _, rule in self.parts}
        if "tree" in kinds or {"tensor", "sums"} <= kinds:
            return "tree"
        return "tensor" if "tensor" in kinds else "sums" if "sums" in kinds else "coordinate"

    def part_of(self, name: str) -> str:
        """The name of the part that steps a tensor."""
        return self._part_of.get(name, self.parts[0][0])

    def init(self, params: Mapping[str, Tensor], hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """The state of each part over its own tensors, shared state of parts without any too."""
        return self._joined(
            {part: rule.init(self._own(params, part), hparams, theta, horizon) for part, rule in self.parts}
        )

    def update(
        self,
        grads: Mapping[str, Tensor],
        state: State,
        params: Mapping[str, Tensor],
        hparams: Hparams,
        theta: Theta,
        info: StepInfo,
    ) -> tuple[Tensors, State]:
        """A step of each part."""
        updates: Tensors = {}
        states: dict[str, State] = {}
        for part, rule in self.parts:
            states[part] = own = self._state_of(state, part)
            if not own["tensors"]:
                continue
            own_params = self._own(params, part)
            step, states[part] = rule.update(self._own(grads, part), own, own_params, hparams, theta, info)
            updates.update(step)
        return updates, self._joined(states)

    def start(self, params: Mapping[str, Tensor], theta: Theta) -> Tensors:
        """What the parts begin with, in the order of `params`."""
        return self._merged(params, lambda part, rule, own: rule.start(own, theta))

    def evaluation_params(self, params: Mapping[str, Tensor], state: State, hparams: Hparams) -> Tensors:
        """What the parts evaluate with, in the order of `params`."""
        return self._merged(
            params, lambda part, rule, own: rule.evaluation_params(own, self._state_of(state, part), hparams)
        )

    def _merged(self, params: Mapping[str, Tensor], make: Callable[[str, Rule, dict[str, Tensor]], Tensors]) -> Tensors:
        made: Tensors = {}
        for part, rule in self.parts:
            made.update(make(part, rule, self._own(params, part)))
        return {name: made[name] for name in params}

    @cached_property
    def _part_of(self) -> dict[str, str]:
        return dict(self.assigned)

    def _own(self, tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in tensors.items() if self.part_of(name) == part}

    def _state_of(self, state: State, part: str) -> State:
        prefix = f"{part}."
        return {
            "tensors": {name: own for name, own in state["tensors"].items() if self.part_of(name) == part},
            "shared": {
                key.removeprefix(prefix): value for key, value in state["shared"].items() if key.startswith(prefix)
            },
        }

    def _joined(self, states: Mapping[str, State]) -> State:
        tensors = {name: own for state in states.values() for name, own in state["tensors"].items()}
        shared = {f"{part}.{key}": value for part, state in states.items() for key, value in state["shared"].items()}
        return {"tensors": tensors, "shared": shared}
