"""A small recurrent network that steers a hand-designed rule: its rate, its momentum, and when it is enough.

At each step, for each kind of tensor, with (r, m) from the network (see `schedule_network`),

    lr' = lr · R^tanh(r),        1 − β' = (1 − β) · M^tanh(m)

and the inner rule steps with these. R bounds what the rate is multiplied or divided by; M = 3, and β is the rule's
`beta1` or `momentum`, if it has one. A network of zeros changes nothing. The stop signal, of matrices or the kind that
there is, moves no weight: the stopper `stop_signal` reads it. What the network can do is bounded, so that no guard
watches it as one does rules that say the whole update.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, final

import torch
from torch import Tensor

import metaopt
from metaopt import Hparams, Params, State, StepInfo, TensorHparams, Tensors, TensorState, Theta
from metaopt_learned._shared.schedule_network import (
    INPUTS,
    KINDS,
    OUTPUTS,
    StepSummary,
    enough,
    features,
    fresh,
    init_theta,
    kind_of,
    respond,
    shapes,
)
from metaopt_learned._shared.whole_training import check_shapes, shipped

NOISE = metaopt.Policy.NOISE
#: The largest factor by which 1 − momentum is multiplied or divided, and the highest momentum.
MOST_MOMENTUM_RATIO, HIGHEST = 3.0, 0.9999


@final
@dataclass(frozen=True)
class Scheduled(metaopt.SteeringRule):
    """State: of a tensor its last update, `last`; shared `stop`, 0-d, and the network's (`schedule_network.fresh`).

    Args:
        inner: the rule to steer.
        name: name of the wrapper.
    """

    name: str = "learned_schedule"

    @property
    def prefix(self) -> str:  # type: ignore[override]
        """The wrapper's name and a dot."""
        return f"{self.name}."

    @property
    def granularity(self) -> Literal["tree"]:  # type: ignore[override]
        """`tree`: the network looks at all tensors together."""
        return "tree"

    def begin(self, params: Params, hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """State before the first step: no update, no measurement."""
        own: State = {
            "tensors": {name: {"last": torch.zeros_like(param)} for name, param in params.items()},
            "shared": {},
        }
        if params:
            like = next(iter(params.values()))
            stop = torch.zeros((), dtype=torch.float32, device=like.device)
            own["shared"] = {**fresh(theta["cell.hidden"].shape[0], like), "stop": stop}
            if NOISE in theta:
                own["shared"]["trace"] = torch.zeros((theta[NOISE].shape[0], KINDS, INPUTS), device=like.device)
        return own

    def steer(
        self, grads: Params, own: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> tuple[Hparams, State]:
        """Measure the step and set rate and momentum to what the network says."""
        shared = own["shared"]
        kinds = {name: kind_of(param) for name, param in params.items()}
        summary = _summary(grads, own["tensors"], params, kinds, info)
        inputs, means = features(shared, summary)
        decisions, hidden, cell = respond(theta, inputs, shared["hidden"], shared["cell"])
        if NOISE in theta:
            is_this_step = torch.arange(len(theta[NOISE]), device=inputs.device) == shared["count"] % len(theta[NOISE])
            means["trace"] = torch.where(is_this_step[:, None, None], inputs, shared["trace"])
            decisions = decisions + (theta[NOISE] * is_this_step[:, None, None]).sum(0)
        present_kinds = set(kinds.values())
        stop = enough(theta, inputs)[1 if 1 in present_kinds else min(present_kinds)]
        new: State = {
            "tensors": own["tensors"],
            "shared": {**means, "hidden": hidden, "cell": cell, "stop": stop},
        }
        return self._all_steered(hparams, decisions, kinds), new

    def moved(self, own: State, updates: Params) -> State:
        """Keep the updates for the next step's measurements."""
        tensors = {
            name: {"last": updates[name].to(old["last"].dtype) if name in updates else old["last"]}
            for name, old in own["tensors"].items()
        }
        return {"tensors": tensors, "shared": own["shared"]}

    def _all_steered(self, hparams: Hparams, decisions: Tensor, kinds: Mapping[str, int]) -> dict[str, Tensors]:
        """Steered hyperparameters of each tensor, computed once a kind and group."""
        known: dict[tuple[int, int], Tensors] = {}
        keys = {name: (id(hparams[name]), kind) for name, kind in kinds.items()}
        for name, key in keys.items():
            if key not in known:
                known[key] = self._steered(hparams[name], decisions[key[1]])
        return {name: known[key] for name, key in keys.items()}

    def _steered(self, hparams: TensorHparams, decision: Tensor) -> Tensors:
        rate, momentum = decision[0].tanh(), decision[1].tanh()
        steered = dict(hparams)
        bound = hparams[f"{self.prefix}max_ratio"].to(rate.device)
        steered["lr"] = hparams["lr"] * (bound**rate).to(hparams["lr"].dtype)
        for key in ("beta1", "momentum"):
            if key in hparams:
                complement = (1 - hparams[key]) * (MOST_MOMENTUM_RATIO**momentum).to(hparams[key].dtype)
                steered[key] = torch.where(hparams[key] > 0, (1 - complement).clamp(0.0, HIGHEST), hparams[key])
        return steered


def learned_wrapper(
    name: str, summary: str, max_ratio: float, estimator: Literal["pes", "reinforce"], references: tuple[str, ...]
) -> metaopt.WrapperSpec:
    """A wrapper with this network, and the weights of the recipe of its name.

    Args:
        name: name of the wrapper.
        summary: the spec's summary, one line.
        max_ratio: the default of R, with which the weights were trained.
        estimator: the meta-gradient that trains the weights, over whole trainings in truncations of 50 steps.
        references: sources of the method.
    """
    return metaopt.WrapperSpec(
        name=name,
        version="2",
        summary=summary,
        wrap=partial(Scheduled, name=name),
        space={"max_ratio": metaopt.Float(3.0, 100.0, log=True, default=max_ratio, valid="[1, inf)")},
        requires=frozenset({"loss", "horizon"}),
        proposed=False,
        tells={"stop": "stop"},
        meta=metaopt.MetaTraining(
            init_theta=init_theta,
            estimator=estimator,
            objective="log_trajectory",
            orders=("first",),
            clip=1.0,
            space={"hidden_size": metaopt.Int(2, 16, log=True, default=6, valid="[1, inf)")},
            truncation=50,
            policy=_policy(name) if estimator == "reinforce" else None,
            check=partial(_check, name),
            shipped=partial(shipped, name),
        ),
        references=references,
    )


def _policy(name: str) -> metaopt.Policy:
    """The network as a stochastic policy over its outputs, given its recurrent state and inputs."""
    return metaopt.Policy(
        shape=(KINDS, OUTPUTS),
        begins=(f"{name}.hidden", f"{name}.cell"),
        trace=(f"{name}.trace",),
        decisions=partial(_decisions, name),
    )


def _decisions(name: str, theta: Theta, begins: TensorState, trace: TensorState) -> Tensor:
    hidden, cell, decisions = begins[f"{name}.hidden"], begins[f"{name}.cell"], []
    for inputs in trace[f"{name}.trace"]:
        decision, hidden, cell = respond(theta, inputs, hidden, cell)
        decisions.append(decision)
    return torch.stack(decisions)


def _check(name: str, theta: Theta) -> None:
    """Check that weights are those of a schedule's network, beside what a policy adds; InputError otherwise."""
    check_shapes(name, {key: tensor for key, tensor in theta.items() if key != NOISE}, shapes(theta))


def _summary(
    grads: Params, tensors: Mapping[str, TensorState], params: Params, kinds: Mapping[str, int], info: StepInfo
) -> StepSummary:
    """Norms and cosines of each kind, in one pass over its tensors."""
    assert info.loss is not None  # declared as required
    device = next(iter(params.values())).device
    rows = []
    for kind in range(KINDS):
        names = [name for name, kind_of_name in kinds.items() if kind_of_name == kind]
        with_gradient = [name for name in names if name in grads]
        gradients, updates = [grads[name] for name in with_gradient], [tensors[name]["last"] for name in with_gradient]
        last, sizes = [tensors[name]["last"] for name in names], [params[name] for name in names]
        pairs = (gradients, gradients), (gradients, updates), (last, last), (sizes, sizes)
        rows.append(torch.stack([_sum(first, second, device) for first, second in pairs]))
    gradient, inner, moved, size = torch.stack(rows, dim=1)
    agreement = metaopt.cosine(inner, gradient, moved)
    fraction = info.fraction.to(device, torch.float32)
    loss = info.loss.to(device, torch.float32)
    return StepSummary(loss, fraction, _root(gradient), agreement, _root(moved), _root(size))


def _sum(first: list[Tensor], second: list[Tensor], device: torch.device) -> Tensor:
    if not first:
        return torch.zeros((), dtype=torch.float32, device=device)
    return metaopt.inner_product(first, second).to(torch.float32)


def _root(square: Tensor) -> Tensor:
    """√ with a derivative of 0 at 0."""
    return torch.where(square > 0, square.clamp_min(1e-36).sqrt(), 0.0)
