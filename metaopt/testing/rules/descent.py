"""Whether a rule lowers a loss at all: at its defaults, on a quadratic that every sound optimizer lowers."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from metaopt.configuration import Assembly
from metaopt.contracts import StepInfo, Tensors
from metaopt.plugin import Takes
from metaopt.testing.errors import ConformanceError, NotApplicable
from metaopt.testing.rules.subject import Subject, added, hparams_for, update_of
from metaopt.testing.samples import generator

#: Numbers of steps after which the loss is measured: slow starters get a thousand, few-shot rules need one.
LOOKS = (5, 30, 100, 300, 1000)
#: The loss must fall to this share of its start at one of these measurements.
ENOUGH = 0.9
#: Number of steps, and of random draws of the weights, for rules that have no weights before meta-training.
_FEW, _DRAWS = 100, 5

_SHAPES = {"matrix": (4, 3), "vector": (3,)}


def lowers_a_quadratic(subject: Subject) -> None:
    """At its defaults, with the weights that ship, it lowers a quadratic within a thousand steps."""
    assembly = subject.assemble()
    shares = []
    for theta, num_steps in _weights(subject, assembly):
        shares.append(_losses(assembly, theta, num_steps))
        if any(share <= ENOUGH for share in shares[-1].values()):
            return
    looks = dict.fromkeys((min(shares[0]), max(shares[0])))
    reached = ", ".join(f"{shares[0][count]:.3g} times that after {count} steps" for count in looks)
    raise ConformanceError(
        f"At its defaults it does not lower the loss ½·Σ c·w², c from 0.5 to 2, to {ENOUGH} times the start's: it is "
        f"{reached}. Is the sign right (updates are added to parameters), and the default of lr?",
        update_of(assembly),
    )


def _losses(assembly: Assembly, theta: Tensors, num_steps: int) -> dict[int, float]:
    """Loss / loss at the start by number of steps, until the loss is low enough or not finite."""
    params = _start(assembly.optimizer.takes)
    curvature = {name: torch.linspace(0.5, 2.0, param.numel()).reshape(param.shape) for name, param in params.items()}

    def loss_of(at: Tensors) -> Tensor:
        return torch.stack([(curvature[name] * param.square()).sum() / 2 for name, param in at.items()]).sum()

    rule, hparams, horizon = assembly.rule, hparams_for(assembly, params), torch.tensor(float(num_steps))
    current = dict(rule.start(params, theta))
    state, first, shares = rule.init(current, hparams, theta, horizon), float(loss_of(current)), {}
    for step in range(num_steps):
        grads = {name: curvature[name] * param for name, param in current.items()}
        info = _info(assembly, step, horizon, loss_of(current), grads)
        updates, state = rule.update(grads, state, current, hparams, theta, info)
        current = added(current, updates)
        if step + 1 in LOOKS:
            share = float(loss_of(rule.evaluation_params(current, state, hparams))) / first
            shares[step + 1] = share
            if not math.isfinite(share) or share <= ENOUGH:
                break
    return shares


def _start(takes: Takes = "all") -> Tensors:
    """Parameters about as large as a layer's initial weights, since absolute rates are meant for such."""
    source = generator(0)
    shapes = {name: shape for name, shape in _SHAPES.items() if takes == "all" or len(shape) > 1}
    return {name: 0.3 * torch.randn(shape, generator=source) for name, shape in shapes.items()}


def _weights(subject: Subject, assembly: Assembly) -> Iterator[tuple[Tensors, int]]:
    """Pairs of learned weights to try and a number of steps; one pair has to lower the loss."""
    meta = assembly.meta
    if meta is None:
        yield {}, LOOKS[-1]
    elif meta.shipped is not None:
        yield dict(meta.shipped()), LOOKS[-1]
    elif meta.over_trainings or assembly.learned is not assembly.optimizer:
        raise NotApplicable(f"No weights come with {assembly.title}: what it does before meta-training says nothing.")
    else:
        # A network of random weights works by chance, so it is enough that one draw of several lowers the loss; a
        # learned start or rate is the same in each draw.
        for seed in range(_DRAWS):
            yield subject.theta(_start(subject.optimizer.takes), seed), _FEW


def _info(assembly: Assembly, step: int, horizon: Tensor, loss: Tensor, grads: Tensors) -> StepInfo:
    norm = torch.stack([grad.norm() for grad in grads.values()]).norm()
    known = {"gradient_norm": norm, "metric": loss, "horizon": horizon}
    return StepInfo(
        step=torch.tensor(float(step)),
        horizon=horizon,
        loss=loss if "loss" in assembly.requires else None,
        signals={name: known[name] for name in sorted(assembly.requires) if name in known},
    )


CHECKS: tuple[Callable[[Subject], None], ...] = (lowers_a_quadratic,)
