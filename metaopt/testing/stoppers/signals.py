"""Whether a pure form reads no other signals than it declares: a training loop supplies and records no others."""

from collections.abc import Mapping
from typing import Any

from metaopt.contracts import CurveBatch
from metaopt.plugin import StopperSpec
from metaopt.testing.errors import ConformanceError
from metaopt.testing.location import literal


class _Watched(dict[str, Any]):
    """Signals by name that remember which names were asked for, there or not."""

    def __init__(self, signals: Mapping[str, Any]) -> None:
        super().__init__(signals)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The signal, or `default` where there is none."""
        self.asked.add(name)
        return super().get(name, default)


def watched(batch: CurveBatch) -> CurveBatch:
    """The same curves; `undeclared` tells afterwards which signals were asked for in vain."""
    copy = CurveBatch(batch.values, batch.steps, batch.horizon, batch.sign, since=batch.since)
    object.__setattr__(copy, "signals", _Watched(batch.signals))
    return copy


def undeclared(spec: StopperSpec, batch: CurveBatch) -> ConformanceError | None:
    """The error to raise where a pure form has asked `watched` curves for signals that its spec does not declare."""
    signals: Any = batch.signals
    names = sorted(signals.asked - {*spec.requires, *spec.requires_when, *spec.uses})
    if not names:
        return None
    which = f"{{{', '.join(map(repr, names))}}}"
    return ConformanceError(
        f"It reads the signal {', '.join(map(repr, names))}. Declare requires={which} or uses={which} in the spec: "
        "what nobody declares is not recorded, and counts as NaN.",
        spec.fires,
        literal(spec, names[0]),
    )
