"""Second derivatives under vmap, against autograd one by one."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad

import metaopt
from metaopt.inner import unroll
from metaopt.plugin.registry import current_registry
from metaopt.pure_layers.batch_norm import with_policy
from metaopt.pure_layers.norms import batched, twice_differentiable


class Attending(nn.Module):
    """Attention of several heads, whose fast kernel has no second derivative."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, inputs):
        rows = inputs.reshape(-1, 2, 8)
        return self.attention(rows, rows, rows, need_weights=False)[0].flatten(1)


class Functional(nn.Module):
    """Normalises by functions rather than layers."""

    def forward(self, inputs):
        normal = F.batch_norm(inputs, None, None, training=True)
        return torch.layer_norm(normal + inputs.square(), (16,))


LAYERS = {
    "batch norm": lambda: nn.Sequential(nn.Unflatten(1, (4, 2, 2)), nn.BatchNorm2d(4), nn.Flatten()),
    "batch norm, frozen": lambda: nn.BatchNorm1d(16).eval(),
    "instance norm": lambda: nn.Sequential(nn.Unflatten(1, (4, 2, 2)), nn.InstanceNorm2d(4, affine=True), nn.Flatten()),
    "layer norm": lambda: nn.Sequential(nn.Unflatten(1, (2, 8)), nn.LayerNorm(8), nn.Flatten()),
    "layer norm, two dimensions": lambda: nn.Sequential(nn.Unflatten(1, (2, 8)), nn.LayerNorm((2, 8)), nn.Flatten()),
    "group norm": lambda: nn.Sequential(nn.Unflatten(1, (4, 4)), nn.GroupNorm(2, 4), nn.Flatten()),
    "RMS norm": lambda: nn.RMSNorm(16),
    "functions": Functional,
    "attention": Attending,
}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_gradient_through_steps_side_by_side_is_that_of_each_alone(layer):
    torch.manual_seed(0)
    policy = "frozen" if layer.endswith("frozen") else "batch"
    model = with_policy(nn.Sequential(nn.Linear(6, 16), LAYERS[layer](), nn.Tanh(), nn.Linear(16, 3)), policy).double()
    start = {name: param.detach() for name, param in model.named_parameters()}
    inputs, targets = torch.randn(3, 8, 6).double(), torch.randint(3, (3, 8))

    def loss(params, inputs, targets):
        with batched():
            return F.cross_entropy(functional_call(model, params, (inputs,)), targets)

    spec = current_registry().get(metaopt.OptimizerSpec, "sgd")
    numbers = {"momentum": 0.0, "weight_decay": 0.0, "lr": 0.3}
    tensors = {
        key: torch.tensor(float(numbers.get(key, value.default)), dtype=torch.float64)
        for key, value in spec.space.items()
    }
    hparams = dict.fromkeys(start, tensors)

    def after(start, inputs, targets):
        end = unroll(spec.rule, loss, start, [(inputs, targets)] * 2, hparams, {})
        return loss(end.params, inputs.flip(0), targets)

    together = grad(lambda start: torch.vmap(after, (None, 0, 0))(start, inputs, targets).sum())(start)

    leaves = {name: param.clone().requires_grad_(True) for name, param in start.items()}
    total = torch.zeros((), dtype=torch.float64)
    for row in range(3):
        params = dict(leaves)
        for _ in range(2):
            with twice_differentiable():  # for attention; for the norms it is tested below
                value = loss(params, inputs[row], targets[row])
            found = torch.autograd.grad(value, list(params.values()), create_graph=True)
            params = {name: one - 0.3 * move for (name, one), move in zip(params.items(), found, strict=True)}
        total = total + loss(params, inputs[row].flip(0), targets[row])
    alone = torch.autograd.grad(total, list(leaves.values()))
    for name, value in zip(leaves, alone, strict=True):
        torch.testing.assert_close(together[name], value, rtol=1e-8, atol=1e-12, msg=name)


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if layer != "batch norm, frozen"])
def test_layers_give_what_torch_gives(layer):
    torch.manual_seed(0)
    made = with_policy(LAYERS[layer](), "batch").double()
    for param in made.parameters():
        nn.init.normal_(param)
    inputs = torch.randn(8, 16).double()
    expected = made(inputs)
    with twice_differentiable():
        torch.testing.assert_close(made(inputs), expected)
