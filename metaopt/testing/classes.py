"""What must hold for an optimizer that is a library's class without a rule: what can be checked of it without one."""

import copy
import io
import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from metaopt.deploy import build_optimizer, evaluating
from metaopt.errors import MetaOptError
from metaopt.plugin import OptimizerSpec
from metaopt.seeding import GlobalStream, seeded
from metaopt.space import Value
from metaopt.testing.answers import describe_error
from metaopt.testing.errors import ConformanceError, require
from metaopt.testing.rules.subject import HORIZON, Subject
from metaopt.testing.samples import draws

#: Numbers of steps after which the loss is measured.
LOOKS = (5, 30, 100, 300)
#: The loss must fall to this share of its start at one of these measurements.
ENOUGH = 0.9
#: Shares of the default rate at which the loss may fall.
RATES = (1.0, 10.0, 0.1)
#: Steps within which something moves: some classes begin by looking at gradients alone.
_FIRST = 12
#: Steps before and after a resumption.
_BEFORE, _AFTER = 5, 6


@dataclass
class _Loop:
    """A small regression, trained by the class as a user would: gradients, a step, and none left behind."""

    optimizer: Optimizer
    model: nn.Module
    spec: OptimizerSpec
    stream: GlobalStream = field(default_factory=lambda: GlobalStream(0))

    def loss(self) -> Tensor:
        inputs = torch.linspace(-1, 1, 24 * 6).reshape(24, 6).sin()
        errors: Tensor = self.model(inputs) - inputs.square().sum(1, keepdim=True)
        return errors.square().mean()

    def step(self, count: int = 1) -> None:
        native = self.spec.native
        assert native is not None

        def closure() -> Tensor:
            params = [param for param in self.model.parameters() if param.requires_grad]
            with torch.enable_grad():
                loss = self.loss()
                grads = torch.autograd.grad(loss, params, create_graph=native.needs_graph)
            for param, grad in zip(params, grads, strict=True):
                param.grad = grad
            return loss.detach()

        for _ in range(count):
            with self.stream.numbers():
                closure()
                if native.takes_closure:
                    self.optimizer.step(closure)  # type: ignore[arg-type]
                else:
                    self.optimizer.step()
            self.optimizer.zero_grad()

    def measured(self) -> float:
        with evaluating(self.optimizer), torch.no_grad():
            return float(self.loss())


def is_made_at_its_values(spec: OptimizerSpec) -> None:
    """A torch.optim.Optimizer is made of it and steps, at its defaults and at values that tuning proposes."""
    for values in ({}, *draws(Subject(spec).space, 6)):
        loop = _loop(spec, values)
        require(isinstance(loop.optimizer, Optimizer), f"It is a {type(loop.optimizer).__name__}, no torch optimizer.")
        try:
            loop.step(2)
        except Exception as error:  # a stranger's class
            raise ConformanceError(f"With {values or 'its defaults'} a step raised {describe_error(error)}") from error


def moves_what_is_trained(spec: OptimizerSpec) -> None:
    """Steps move parameters that require gradients, and no others."""
    loop = _loop(spec)
    frozen = next(loop.model.parameters())
    frozen.requires_grad_(False)
    before = [param.detach().clone() for param in loop.model.parameters()]
    loop.step(_FIRST)
    after = list(loop.model.parameters())
    require(torch.equal(after[0], before[0]), f"{_FIRST} steps moved a parameter that requires no gradient.")
    moved = [not torch.equal(now, then) for now, then in zip(after[1:], before[1:], strict=True)]
    require(any(moved), f"{_FIRST} steps moved nothing, though every other parameter had a gradient.")


def has_param_groups(spec: OptimizerSpec) -> None:
    """Its param groups hold the parameters, and the rate that schedulers write; a group can be added later."""
    loop = _loop(spec)
    held = {param for group in loop.optimizer.param_groups for param in group["params"]}
    require(held == set(loop.model.parameters()), "Its param groups do not hold the parameters that it was given.")
    if spec.has_lr:
        require(all("lr" in group for group in loop.optimizer.param_groups), "A param group has no 'lr'.")
    added = nn.Parameter(torch.ones(3, 3))
    extra = {key: value for key, value in loop.optimizer.param_groups[0].items() if key == _entry(spec)}
    loop.step()
    loop.optimizer.add_param_group({"params": [added], **extra})
    require(len(loop.optimizer.param_groups[-1]["params"]) == 1, "add_param_group did not add a group.")


def heeds_the_rates_of_groups(spec: OptimizerSpec) -> None:
    """Each param group steps at its own `lr`, or the class says that it takes no groups of several rates."""
    if not spec.has_lr:
        return
    ends = []
    for share in (1.0, 0.1):
        try:
            loop = _loop(spec, share=share)
            before = [param.detach().clone() for param in loop.model.parameters()]
            loop.step(_FIRST)
        except Exception:  # a stranger's class, which says so
            return
        ends.append(list(loop.model.parameters()))
    moved = not all(torch.equal(*pair) for pair in zip(before, ends[1], strict=True))
    require(
        not moved or not all(torch.equal(*pair) for pair in zip(*ends, strict=True)),
        f"A param group's own 'lr' has no effect: {_FIRST} steps at a tenth of it end where they do at the whole.",
    )


def resumes_bit_for_bit(spec: OptimizerSpec) -> None:
    """Loaded from its own state_dict it goes on bit for bit, torch's generator restored."""
    for share in (1.0, 0.1, 0.01):  # where training diverges there is nothing to compare
        if _resumes(spec, _at_rate(spec, share)):
            return
    raise ConformanceError(
        "Its parameters are not finite after a few steps, at a hundredth of its default rate either."
    )


def _resumes(spec: OptimizerSpec, values: Mapping[str, Value]) -> bool:
    """Whether parameters stay finite; ConformanceError where a resumption makes a difference."""
    first = _loop(spec, values)
    first.step(_BEFORE)
    second = _loop(spec, values)
    second.model.load_state_dict(first.model.state_dict())
    second.optimizer.load_state_dict(copy.deepcopy(first.optimizer.state_dict()))
    second.stream = copy.copy(first.stream)
    first.step(_AFTER)
    second.step(_AFTER)
    for (name, straight), resumed in zip(first.model.named_parameters(), second.model.parameters(), strict=True):
        if not bool(torch.isfinite(straight).all()):
            return False
        difference = float((straight - resumed).detach().abs().max())
        same = torch.equal(straight, resumed)
        require(same, f"{_AFTER} steps after a resumption {name!r} is off by {difference:.2g}.")
    return True


def has_a_plain_state(spec: OptimizerSpec) -> None:
    """Its state_dict goes through a file that torch.load(weights_only=True) takes, and comes back as it was."""
    loop = _loop(spec)
    loop.step(_BEFORE)
    buffer = io.BytesIO()
    torch.save(loop.optimizer.state_dict(), buffer)
    buffer.seek(0)
    try:
        loaded = torch.load(buffer, weights_only=True)
    except Exception as error:  # what torch says of an object that it does not know
        raise ConformanceError(f"torch.load(weights_only=True) refuses its state: {_refused(error)}.") from error
    other = _loop(spec)
    other.optimizer.load_state_dict(loaded)


def lowers_a_loss(spec: OptimizerSpec) -> None:
    """It lowers a loss at its default rate, at ten times it or at a tenth of it, within 300 steps."""
    reached = []
    for share in RATES if spec.has_lr else RATES[:1]:
        values = _at_rate(spec, share)
        try:
            least = min(_shares_of_loss(_loop(spec, values)), default=math.inf)
        except RuntimeError as error:  # of numbers that are finite no more
            reached.append(f"{describe_error(error)[:-1]} at {share:g} times the default rate")
            continue
        if least <= ENOUGH:
            return
        reached.append(f"{least:.3g} times that at {share:g} times the default rate")
    raise ConformanceError(f"It does not lower a loss to {ENOUGH} times the start's; reached: {', '.join(reached)}.")


CHECKS: tuple[Callable[[OptimizerSpec], None], ...] = (
    is_made_at_its_values,
    moves_what_is_trained,
    has_param_groups,
    heeds_the_rates_of_groups,
    resumes_bit_for_bit,
    has_a_plain_state,
    lowers_a_loss,
)


def _loop(spec: OptimizerSpec, values: Mapping[str, Value] | None = None, *, share: float | None = None) -> _Loop:
    """The class over a network; all but its first parameters at a share of the default rate, if one is given."""
    with seeded(0):
        model = model_for(spec)
    stream = GlobalStream(1)
    with stream.numbers(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what the class needs of a loop it has here
        try:
            params = model if share is None else _groups(spec, model, share)
            optimizer = build_optimizer(Subject(spec).assemble(values), params, horizon=HORIZON)
        except MetaOptError as error:
            raise ConformanceError(str(error)) from error
        except (Exception, SystemExit) as error:
            raise ConformanceError(f"With {values or 'its defaults'} it raised {describe_error(error)}") from error
    return _Loop(optimizer, model, spec, stream)


def model_for(spec: OptimizerSpec) -> nn.Module:
    """A small network, of matrices alone for an optimizer that takes no others."""
    biased = spec.takes == "all"
    norm: Iterable[nn.Module] = (nn.LayerNorm(8),) if biased else ()
    return nn.Sequential(nn.Linear(6, 8, biased), nn.Tanh(), nn.Linear(8, 8, biased), *norm, nn.Linear(8, 1, biased))


def _groups(spec: OptimizerSpec, model: nn.Module, share: float) -> list[dict[str, Any]]:
    (rate,) = _at_rate(spec, share).values()
    first, *others = model.parameters()
    return [{"params": [first]}, {"params": others, "lr": rate}]


def _entry(spec: OptimizerSpec) -> str | None:
    assert spec.native is not None
    return spec.native.matrix_entry


def _at_rate(spec: OptimizerSpec, share: float) -> dict[str, Value]:
    if not spec.has_lr:
        return {}
    default: Any = spec.space["lr"].default
    return {f"{spec.name}.lr": share * float(default)}


def _shares_of_loss(loop: _Loop) -> list[float]:
    """Loss / loss at the start at each look, until it is low enough or not finite."""
    start, shares, done = loop.measured(), [], 0
    for look in LOOKS:
        loop.step(look - done)
        done = look
        share = loop.measured() / start
        if not math.isfinite(share):
            break
        shares.append(share)
        if share <= ENOUGH:
            break
    return shares


def _refused(error: Exception) -> str:
    """What torch refuses, out of its long advice."""
    lines = [line.strip() for line in str(error).splitlines() if "Unsupported" in line or "GLOBAL" in line]
    return (lines[0] if lines else str(error).splitlines()[0])[:160].rstrip(".")
