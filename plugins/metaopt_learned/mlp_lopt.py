"""small_fc_lopt: a small network that says each coordinate's update from 39 features (Metz et al. 2022).

    Δ = −η · (direction · exp(0.001 · magnitude) + λ · parameter),      (direction, magnitude) = MLP(features)

The network is 39-4-4-2 with ReLU; η = 0.001 and λ = 0 are the authors'.

Features of a coordinate: gradient, parameter, momenta at three decays, second moment and its inverse root, momenta
times that, factored (Adafactor) gradient, row and column means and their inverse roots, momenta times factored inverse
roots, each divided by its root mean square over the tensor; and tanh(t/τ − 1) for eleven timescales τ. Decays are
learned. Trained with evolution strategies over whole trainings.

When to use it: on models of up to some thousand numbers, like those it was meta-trained on, when nothing shall be tuned
(`metaopt.load_recipe("mlp_lopt")`). Compare it with a baseline elsewhere.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

import metaopt
from metaopt import Params, StepInfo, TensorHparams, Tensors, TensorState, Theta
from metaopt_learned._shared.accumulators import check_decays, fresh, learned_decays, moments, rolled
from metaopt_learned._shared.features import COUNT, CoordinateFeatures
from metaopt_learned._shared.small_network import first_layer, init_network, network_shapes, outputs
from metaopt_learned._shared.whole_training import EXP_MULT, LR, WEIGHT_DECAY, by_evolution, check_shapes

#: Place of the first momentum over the root of the second moment among the features, and its factor before
#: meta-training.
ADAM, GAIN = 6, 3.0
#: Steps over which time features saturate.
TIMESCALES = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000)


def _init(param: Tensor, hparams: TensorHparams, theta: Theta, horizon: Tensor | None) -> TensorState:
    return {"step": torch.zeros((), device=param.device), **fresh(param)}


def _measure(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[TensorState, TensorState]:
    new = {"step": state["step"] + 1, **rolled(grad, state, learned_decays(theta))}
    time = torch.tanh(state["step"] / _timescales(param.device) - 1)
    return first_layer(CoordinateFeatures(grad, param, new), time, theta), new


def _update(
    grad: Tensor,
    state: TensorState,
    param: Tensor,
    hparams: TensorHparams,
    theta: Theta,
    info: StepInfo,
    measured: Params,
) -> Tensor:
    direction, magnitude = outputs(CoordinateFeatures(grad, param, state), measured, theta)
    step = direction * torch.exp(hparams["exp_mult"] * magnitude)
    return -hparams["lr"] * (step + hparams["weight_decay"] * param)


def _timescales(device: torch.device) -> Tensor:
    return torch.tensor(TIMESCALES, dtype=torch.float32, device=device)


#: State, for each parameter: `step`, 0-d, and what `accumulators.fresh` makes.
rule = metaopt.per_tensor(_init, _update, measure=_measure, granularity="tensor")


def init_theta(params: Params, generator: torch.Generator, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """A network that begins as Adam does, and decays of 0.

    Weights are from a normal distribution of deviation 1/√inputs, cut off at two deviations, and biases 0. But two
    units of each layer pass momentum over its root mean square on, one where it is positive and one where it is
    negative, and the direction is GAIN times that alone. Where `hidden_size` is 1 there is no room for it.
    """
    hidden = int(hparams["hidden_size"])
    network = init_network((COUNT + len(TIMESCALES), hidden, hidden, 2), generator)
    if hidden > 1:
        signs = torch.tensor([1.0, -1.0])
        network["w0"][:, :2], network["w0"][ADAM, :2] = 0.0, signs
        network["w1"][:, :2] = torch.eye(hidden)[:, :2]
        network["w2"][:, 0] = torch.cat([GAIN * signs, torch.zeros(hidden - 2)])
    decays = {"momentum_decays": torch.zeros(3), "rms_decays": torch.zeros(1), "adafactor_decays": torch.zeros(3)}
    return {**decays, **network}


def check(theta: Theta) -> None:
    """Check that weights are those of a small network and of decays; InputError otherwise."""
    decays = {"momentum_decays": (3,), "rms_decays": (1,), "adafactor_decays": (3,)}
    check_shapes("mlp_lopt", theta, {**network_shapes(COUNT + len(TIMESCALES), theta, 2), **decays})
    check_decays(theta)


spec = metaopt.OptimizerSpec(
    name="mlp_lopt",
    version="1",
    summary="A small network of 39 features that says each coordinate's update.",
    rule=rule,
    space={"lr": LR, "exp_mult": EXP_MULT, "weight_decay": WEIGHT_DECAY},
    proposed=False,
    sets_rate=True,
    meta=by_evolution(
        init_theta,
        {"hidden_size": metaopt.Int(2, 32, log=True, default=4, valid="[1, inf)")},
        check=check,
        ships="mlp_lopt",
        handover=moments,
    ),
    references=("https://arxiv.org/abs/2203.11860", "https://github.com/google/learned_optimization"),
)
