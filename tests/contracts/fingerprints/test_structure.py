"""Two models that compute or begin differently are two; what a seed decides is part of neither."""

import functools

import pytest
import torch
from torch import nn

import metaopt
from metaopt.contracts.fingerprints import Part, structure

SPLIT = metaopt.Split(torch.arange(8.0)[:, None], torch.arange(8.0)[:, None])
SPLITS = metaopt.Splits(SPLIT, SPLIT, SPLIT)


def of(factory):
    """The structure alone: what the factory's code would say is left out."""
    builds = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        builds.append(factory())
    return structure(builds, Part("model", "mine"))


class Scaled(nn.Module):
    """A module of the user's own."""

    def __init__(self, by=1.0, act=torch.tanh, noise=None):
        super().__init__()
        self.layer, self.by, self.act, self.noise = nn.Linear(2, 2), by, act, noise

    def forward(self, inputs):
        """The layer, scaled."""
        return self.act(self.layer(inputs)) * self.by


class Shifted(Scaled):
    """Computes something else from the same attributes."""

    def forward(self, inputs):
        """The layer, shifted."""
        return self.act(self.layer(inputs)) + self.by


def filled(value, *, frozen=False):
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.fill_(value)
    return layer.requires_grad_(not frozen)


def with_buffer(value, *, persistent=True):
    layer = nn.Linear(2, 2)
    layer.register_buffer("mask", torch.full((2,), value), persistent=persistent)
    return layer


def tied(*, tie):
    layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    if tie:
        layers[1].weight = layers[0].weight
    return layers


def hooked(by):
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda module, args, output: output * by)
    return layer


def shared(*, twice):
    layer = nn.Linear(2, 2)
    return nn.Sequential(layer, layer if twice else nn.Linear(2, 2))


def frozen(names):
    layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    for name in names:
        layers[name].requires_grad_(False)
    return layers


def patched(by):
    layer = nn.Linear(2, 2)
    layer.forward = lambda inputs: inputs * by
    return layer


DIFFERENT = {
    "an activation": (nn.ReLU, nn.Tanh),
    "a slope": (lambda: nn.LeakyReLU(0.1), lambda: nn.LeakyReLU(0.2)),
    "a dropout": (lambda: nn.Dropout(0.1), lambda: nn.Dropout(0.2)),
    "an approximation": (nn.GELU, lambda: nn.GELU("tanh")),
    "a stride": (lambda: nn.Conv2d(2, 2, 3), lambda: nn.Conv2d(2, 2, 3, stride=2)),
    "groups and shapes": (lambda: nn.Conv2d(2, 2, 3), lambda: nn.Conv2d(2, 2, 3, groups=2)),
    "a padding": (lambda: nn.Conv1d(2, 2, 3), lambda: nn.Conv1d(2, 2, 3, padding_mode="circular")),
    "an eps": (lambda: nn.LayerNorm(2), lambda: nn.LayerNorm(2, eps=1e-3)),
    "a momentum": (lambda: nn.BatchNorm1d(2), lambda: nn.BatchNorm1d(2, momentum=0.5)),
    "heads": (lambda: nn.MultiheadAttention(4, 2), lambda: nn.MultiheadAttention(4, 4)),
    "an order of norms": (
        lambda: nn.TransformerEncoderLayer(4, 2),
        lambda: nn.TransformerEncoderLayer(4, 2, norm_first=True),
    ),
    "a function inside": (
        lambda: nn.TransformerEncoderLayer(4, 2),
        lambda: nn.TransformerEncoderLayer(4, 2, activation="gelu"),
    ),
    "an order of layers": (
        lambda: nn.Sequential(nn.Tanh(), nn.ReLU()),
        lambda: nn.Sequential(nn.ReLU(), nn.Tanh()),
    ),
    "a precision": (lambda: nn.Linear(2, 2), lambda: nn.Linear(2, 2, dtype=torch.float64)),
    "an attribute": (Scaled, lambda: Scaled(by=2.0)),
    "an attribute that is a function": (Scaled, lambda: Scaled(act=torch.relu)),
    "an attribute that is a lambda": (lambda: Scaled(act=lambda x: 2 * x), lambda: Scaled(act=lambda x: 3 * x)),
    "the code of a user's module": (Scaled, Shifted),
    "values that nobody draws": (lambda: filled(1.0), lambda: filled(2.0)),
    "frozen values": (lambda: filled(1.0, frozen=True), lambda: filled(2.0, frozen=True)),
    "what is frozen": (lambda: frozen([0]), lambda: frozen([1])),
    "a buffer": (lambda: with_buffer(1.0), lambda: with_buffer(2.0)),
    "a buffer that no state holds": (
        lambda: with_buffer(1.0, persistent=False),
        lambda: with_buffer(2.0, persistent=False),
    ),
    "tied weights": (lambda: tied(tie=True), lambda: tied(tie=False)),
    "a layer used twice": (lambda: shared(twice=True), lambda: shared(twice=False)),
    "a hook": (lambda: hooked(2), lambda: hooked(3)),
    "a method put in by hand": (lambda: patched(2), lambda: patched(3)),
    "a parametrisation": (lambda: nn.Linear(2, 2), lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))),
    "a width that is not known yet": (lambda: nn.LazyLinear(2), lambda: nn.LazyLinear(3)),
    "a class of losses": (nn.MSELoss, nn.L1Loss),
    "a reduction": (nn.MSELoss, lambda: nn.MSELoss(reduction="sum")),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_models_differ(one, other):
    assert of(one) == of(one)
    assert of(one) != of(other)


def test_weights_that_a_seed_draws_do_not_count():
    def scaled(by):
        layer = nn.Linear(2, 2)
        with torch.no_grad():
            layer.weight.mul_(by)
        return layer

    assert of(lambda: scaled(1.0)) == of(lambda: scaled(2.0))  # which the factory's code tells apart


def test_attributes_that_a_seed_draws_do_not_count():
    assert of(lambda: Scaled(noise=torch.rand(3))) == of(lambda: Scaled(noise=torch.rand(3) + 1))
    assert of(lambda: Scaled(noise=torch.rand(1).item())) == of(lambda: Scaled(noise=torch.rand(1).item() + 1))


def test_a_compiled_model_is_the_model():
    assert of(lambda: torch.compile(Scaled(), backend="eager")) == of(Scaled)


def test_a_model_may_refer_to_itself():
    def circle():
        model = Scaled()
        model.me, model.step = [model], functools.partial(model.forward)
        return model

    assert of(circle) == of(circle)
    assert of(circle) != of(Scaled)


def test_a_model_without_values_has_a_structure():
    assert of(lambda: nn.Linear(2, 2, device="meta")) == of(lambda: nn.Linear(2, 2, device="meta"))


def test_a_loss_that_is_a_module_counts_with_its_settings():
    losses = [nn.MSELoss(), nn.L1Loss(), nn.SmoothL1Loss(beta=0.5), nn.SmoothL1Loss(), nn.HuberLoss()]
    tasks = [metaopt.Task("mine", "lines", lambda: nn.Linear(1, 1), SPLITS, loss) for loss in losses]
    assert len({task.fingerprint for task in tasks}) == len(losses)


@pytest.mark.parametrize("factory", [functools.partial(nn.Linear, 1, 1), lambda: nn.Linear(1, 1)])
def test_the_factory_counts_beside_what_it_makes(factory):
    def doubled():
        model = factory()
        with torch.no_grad():
            model.weight.mul_(2)
        return model

    one, other = (metaopt.Task("mine", "lines", model, SPLITS, nn.functional.mse_loss) for model in (factory, doubled))
    assert one.fingerprint != other.fingerprint
