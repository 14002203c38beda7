"""Learned optimizers out of their depth: when that is, and what takes over."""

import math
import statistics
import warnings

from torch import Tensor
from torch.optim import Optimizer

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.deploy.optimizer.rule_optimizer import RuleOptimizer
from metaopt.errors import InputError, OutOfDepthError, quoted
from metaopt.plugin import Registry

#: A learned rule may run for at most this many times the longest training that it was made for.
TOO_LONG = 2
#: How many training losses the median is taken over, at the start and now.
RECENT = 10
#: The median of the last losses may exceed the highest of the first ones by at most this many times the latter's size.
FAR = 2.0
#: A single loss may exceed it by at most this many times.
VERY_FAR = 20.0
#: A warning is issued where the first loss is this many times outside the range of losses that the rule was made on.
OUTSIDE = 10.0


class Handover:
    """Watches a learned rule; losses it gets by `record_loss`.

    It is out of its depth past twice the longest training that it was made for, and once the median of the last ten
    losses lies above the highest of the first ten by more than twice its size, or one loss above those by twenty times.
    Gradients are the affair of `GradientGuard`, which asks before each step whose gradients are sound.

    Args:
        optimizer: runs the rule.
        fallback: what takes over, with the moments that the rule kept; None to raise instead.
        longest: steps of the longest training that the rule was made for; None where unknown.
        known_losses: smallest and largest first loss of these trainings; a first loss ten times outside is warned of.

    Attributes:
        why: one sentence that says what took over and why; empty while nothing has.
    """

    def __init__(
        self,
        optimizer: RuleOptimizer,
        fallback: Assembly | None,
        longest: int | None,
        known_losses: tuple[float, float] | None = None,
    ) -> None:
        self._optimizer, self._longest, self._known_losses = optimizer, longest, known_losses
        self._fallback = fallback
        self._first: list[float] = []
        self._recent: list[float] = []
        self._loss: Tensor | None = None
        self.why = ""
        optimizer.fallback = fallback

    def record_loss(self, loss: Tensor) -> None:
        """Note a training loss, 0-d; it is looked at before the next step."""
        self._loss = loss

    def forget(self) -> None:
        """Drop the last loss noted, since its step is not taken."""
        self._loss = None

    def look(self) -> None:
        """Look at the step about to be taken, and hand over where the rule is out of its depth.

        Raises:
            OutOfDepthError: it is, and nothing shall take over.
        """
        loss, self._loss = self._loss, None
        if self._optimizer.handed_over is None:
            reason = self._too_long() or self._too_high(loss)
            if reason:
                self.hand_over(reason)

    def hand_over(self, reason: str) -> bool:
        """Let the fallback take over, with a warning that holds the reason; False where it has before.

        Raises:
            OutOfDepthError: nothing shall take over.
        """
        if self._optimizer.handed_over is not None:
            return False
        step, name = self._optimizer.steps, self._optimizer.assembly.optimizer.name
        if self._fallback is None:
            raise OutOfDepthError(
                f"The learned rule {name!r} is out of its depth at step {step}: {reason}; bind with guard='fallback' "
                "to go on with another, or 'off' to go on with this one."
            )
        taking = self._fallback.optimizer.name
        self.why = (
            f"The learned rule {name!r} is out of its depth at step {step}: {reason}. {taking!r} takes over with the "
            "moments that it kept."
        )
        warnings.warn(self.why, RuntimeWarning, stacklevel=6)
        self._optimizer.hand_over()
        return True

    def state_dict(self) -> dict[str, object]:
        """Plain numbers."""
        return {"first": list(self._first), "recent": list(self._recent)}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Inverse of `state_dict`."""
        self._first, self._recent = ([float(loss) for loss in state[key]] for key in ("first", "recent"))  # type: ignore[attr-defined]

    def _too_long(self) -> str:
        steps = self._optimizer.steps
        if self._longest is None or steps < TOO_LONG * self._longest:
            return ""
        return f"its longest training had {self._longest:,} steps"

    def _too_high(self, loss: Tensor | None) -> str:
        if loss is None:
            return ""
        value = float(loss)
        if not math.isfinite(value):
            return f"the training loss is {value}"
        if not self._first:
            self._warn_if_unknown(value)
        # Batches' losses have heavy tails: neither an easy first batch nor a single hard one is a rise.
        highest = max(self._first, default=value)
        size = max(abs(highest), 1e-8)
        self._recent = [*self._recent, value][-RECENT:]
        if len(self._first) < RECENT:
            self._first.append(value)
            risen = False
        else:
            risen = statistics.median(self._recent) > highest + FAR * size
        if risen or value > highest + VERY_FAR * size:
            return f"the training loss rose from {self._first[0]:.3g} to {value:.3g}"
        return ""

    def _warn_if_unknown(self, value: float) -> None:
        if self._known_losses is not None and _outside(value, self._known_losses):
            low, high = self._known_losses
            warnings.warn(
                f"Training begins at a loss of {value:.3g}; {self._optimizer.assembly.optimizer.name!r} was made on "
                f"trainings that begin between {low:.3g} and {high:.3g}: compare it with a baseline.",
                UserWarning,
                stacklevel=7,
            )


def handover_of(
    optimizer: Optimizer,
    assembly: Assembly,
    fallback: str | None,
    registry: Registry,
    longest: int | None,
    known_losses: tuple[float, float] | None,
) -> Handover | None:
    """The handover of an optimizer whose learned rule may be out of its depth, None for any other.

    Args:
        optimizer: runs the assembly.
        assembly: with the learned rule.
        fallback: name of the optimizer that takes over, at its defaults; None to raise instead.
        registry: where to find it.
        longest: see `Handover`.
        known_losses: see `Handover`.

    Raises:
        InputError: the fallback is a library's class, which no rule can hand its moments to.
    """
    meta = assembly.meta
    if meta is None or meta.handover is None or not isinstance(optimizer, RuleOptimizer):
        return None
    taking_over = None
    if fallback is not None:
        taking_over = assemble(Configuration(fallback, no_decay=assembly.configuration.no_decay), registry)
        if taking_over.pure_rule is None:
            raise InputError(
                f"fallback={quoted(fallback)} is a library's class without a rule, and what takes over needs one; name "
                "another optimizer."
            )
    return Handover(optimizer, taking_over, longest, known_losses)


def _outside(value: float, known: tuple[float, float]) -> bool:
    low, high = known
    return value > OUTSIDE * max(high, -high) or (low > 0 and value < low / OUTSIDE)
