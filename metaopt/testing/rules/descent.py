"""Whether a rule goes down at all: at its defaults, on a function that everybody lowers."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from metaopt.configuration import Assembly
from metaopt.contracts import StepInfo, Tensors
from metaopt.testing.errors import ConformanceError, NotApplicable
from metaopt.testing.rules.subject import Subject, added, hparams_for, update_of
from metaopt.testing.samples import generator

#: Numbers of steps after which the loss is looked at: rules that start slow have time, few-shot ones need none.
LOOKS = (5, 30, 100, 300, 1000)
#: The share of the loss at the start that must be undercut at one of them.
ENOUGH = 0.9
#: Steps and drawn weights for rules that have no weights of their own before they are meta-trained.
_FEW, _DRAWS = 100, 5

_SHAPES = {"matrix": (4, 3), "vector": (3,)}


def lowers_a_quadratic(subject: Subject) -> None:
    """At its defaults, with the weights that ship, it lowers a quadratic within a thousand steps."""
    assembly = subject.assemble()
    found = []
    for theta, num_steps in _weights(subject, assembly):
        found.append(_losses(assembly, theta, num_steps))
        if any(share <= ENOUGH for share in found[-1].values()):
            return
    looks = dict.fromkeys((min(found[0]), max(found[0])))
    said = ", ".join(f"{found[0][count]:.3g} times that after {count} steps" for count in looks)
    raise ConformanceError(
        f"At its defaults it does not lower the loss ½·Σ c·w², c from 0.5 to 2, to {ENOUGH} times the start's: it is "
        f"{said}. Is the sign right (updates are added to parameters), and the default of lr?",
        update_of(assembly),
    )


def _losses(assembly: Assembly, theta: Tensors, num_steps: int) -> dict[int, float]:
    """The loss as a share of that at the start, by number of steps done, until it is low enough or not finite."""
    params = _start()
    curvature = {name: torch.linspace(0.5, 2.0, one.numel()).reshape(one.shape) for name, one in params.items()}

    def loss_of(at: Tensors) -> Tensor:
        return torch.stack([(curvature[name] * one.square()).sum() / 2 for name, one in at.items()]).sum()

    rule, hparams, horizon = assembly.rule, hparams_for(assembly, params), torch.tensor(float(num_steps))
    current = dict(rule.start(params, theta))
    state, first, found = rule.init(current, hparams, theta, horizon), float(loss_of(current)), {}
    for step in range(num_steps):
        grads = {name: curvature[name] * one for name, one in current.items()}
        info = _info(assembly, step, horizon, loss_of(current), grads)
        updates, state = rule.update(grads, state, current, hparams, theta, info)
        current = added(current, updates)
        if step + 1 in LOOKS:
            share = float(loss_of(rule.evaluation_params(current, state, hparams))) / first
            found[step + 1] = share
            if not math.isfinite(share) or share <= ENOUGH:
                break
    return found


def _start() -> Tensors:
    """About as large as weights of a layer at first: a rule's absolute rates are meant for these."""
    source = generator(0)
    return {name: 0.3 * torch.randn(shape, generator=source) for name, shape in _SHAPES.items()}


def _weights(subject: Subject, assembly: Assembly) -> Iterator[tuple[Tensors, int]]:
    """Weights to try, and for how many steps; one of them has to do."""
    meta = assembly.meta
    if meta is None:
        yield {}, LOOKS[-1]
    elif meta.shipped is not None:
        yield dict(meta.shipped()), LOOKS[-1]
    elif meta.over_trainings or assembly.learned is not assembly.optimizer:
        raise NotApplicable(f"No weights come with {assembly.title}: what it does before meta-training says nothing.")
    else:
        # What a network of random weights does is chance, so that one draw in a few is asked for; a learned start or
        # rate is the same in each.
        for seed in range(_DRAWS):
            yield subject.theta(_start(), seed), _FEW


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
