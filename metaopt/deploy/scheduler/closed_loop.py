"""A controller that is asked as training goes on, and what it remembers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from metaopt.contracts import ControllerState, Float32ByDefault, Rate, StepInfo, TensorHparams
from metaopt.deploy.scheduler.scalars import Scalars, over_scalars
from metaopt.errors import PluginError
from metaopt.plugin import ControllerSpec


class ClosedLoop:
    """Asks for rates.

    A controller that acts at each step is traced once, where its update allows it, and from then on computes with plain
    numbers (see `scalars`). Tensors are fast enough for a controller that acts once a validation.

    Args:
        spec: the controller, of cadence `"step"` or `"validation"`.
        hparams: its hyperparameters, 0-d, float64.
        total_steps: planned number of steps, or None.
        signals: further signals that each values carries, beside step, horizon and metric.

    Raises:
        PluginError: the controller gives a rate for each parameter's name.
    """

    @Float32ByDefault()
    def __init__(
        self, spec: ControllerSpec, hparams: TensorHparams, total_steps: int | None, signals: frozenset[str]
    ) -> None:
        self._spec = spec
        self._hparams = hparams
        self._horizon = None if total_steps is None else number(total_steps)
        self._names = ("step", "metric", *sorted(signals))
        self._state = spec.controller.init(hparams)
        self._numbers: tuple[float, ...] = ()
        self._scalars: Scalars | None = None
        self._absolute = False
        self._is_traced = spec.cadence != "step"  # or is never traced
        self._answer([0.0, float("nan"), *[0.0] * len(signals)])

    @property
    def state(self) -> ControllerState:
        """A copy of what the controller remembers."""
        if self._scalars is None:
            return {key: value.clone() for key, value in self._state.items()}
        return {key: number(value) for key, value in zip(self._state, self._numbers, strict=True)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        self._state = {key: state[key].clone() for key in self._state}
        self._numbers = tuple(value.item() for value in self._state.values()) if self._scalars is not None else ()

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: generated code is neither copied nor pickled, and found again when it is needed."""
        is_traced = self._spec.cadence != "step"
        return {**self.__dict__, "_state": self.state, "_numbers": (), "_scalars": None, "_is_traced": is_traced}

    def ask(self, step: int, metric: float, signals: Mapping[str, float]) -> tuple[float, bool]:
        """The rate for the step after `step` completed ones, and whether it is absolute.

        Args:
            step: number of completed steps.
            metric: the latest, lower is better; NaN before the first.
            signals: by name; those that were not announced are left out.
        """
        values = [float(step), metric, *[signals[name] for name in self._names[2:]]]
        if not self._is_traced:
            self._trace(values)
        if self._scalars is not None:
            rate, *numbers = self._scalars(*values, *self._numbers)
            self._numbers = tuple(numbers)
            return rate, self._absolute
        answer, self._state = self._answer(values)
        return float(_single(self._spec, answer)), answer.absolute

    def _answer(self, values: list[float]) -> tuple[Rate, ControllerState]:
        return self._update([number(value) for value in values], self._state)

    @Float32ByDefault()
    def _update(self, values: list[Tensor], state: ControllerState) -> tuple[Rate, ControllerState]:
        by_name = dict(zip(self._names, values, strict=True))
        info = StepInfo(
            step=by_name["step"],
            horizon=self._horizon,
            loss=by_name.get("loss"),
            signals={name: value for name, value in by_name.items() if name not in ("step", "loss")},
        )
        rate, new_state = self._spec.controller.update(state, info, self._hparams)
        _single(self._spec, rate)
        return rate, new_state

    def _trace(self, values: list[float]) -> None:
        """Trace the update into a function of plain numbers, if it has such a form."""
        self._is_traced = True
        if any(value.ndim or value.dtype != torch.float64 for value in self._state.values()):
            return
        inputs = [number(value) for value in values]
        state = {key: value.clone() for key, value in self._state.items()}

        def update() -> list[Tensor]:
            rate, new_state = self._update(inputs, state)
            self._absolute = rate.absolute
            return [_single(self._spec, rate), *(new_state[key] for key in self._state)]

        self._scalars = over_scalars(update, [*inputs, *state.values()])
        if self._scalars is not None:
            self._numbers = tuple(value.item() for value in self._state.values())


def number(value: float) -> Tensor:
    """A number as a 0-d tensor of float64."""
    return torch.tensor(float(value), dtype=torch.float64)


def _single(spec: ControllerSpec, rate: Rate) -> Tensor:
    if isinstance(rate.value, Tensor):
        return rate.value
    raise PluginError(
        f"The controller {spec.name!r} gives a rate for each parameter's name; a scheduler needs one for all."
    )
