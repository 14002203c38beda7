"""A learned start goes into the model that it was learned for, whole, or nothing of it does."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.plugin.registry import current_registry
from metaopt.recipe.initialization import learned_start, load_start


def assembly_of(name):
    return assemble(Configuration(name), current_registry())


def model():
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))


def theta_of(module):
    """A start of 0, 1, 2 … for each parameter."""
    return {
        f"start.{name}": torch.arange(float(param.numel())).reshape(param.shape)
        for name, param in module.named_parameters()
    }


def params_of(module):
    return {name: param.detach() for name, param in module.named_parameters()}


def test_each_parameter_begins_at_what_was_learned_for_its_name():
    module = model()
    before = list(module.parameters())
    load_start(assembly_of("maml"), theta_of(module), module, None)
    for own, (name, param) in zip(before, module.named_parameters(), strict=True):
        assert own is param
        assert torch.equal(param, theta_of(module)[f"start.{name}"])


def test_a_start_has_the_models_dtype():
    module = model().bfloat16()
    start = learned_start(assembly_of("maml"), theta_of(module), params_of(module))
    assert {value.dtype for value in start.values()} == {torch.bfloat16}


@pytest.mark.parametrize("name", ["adamw", "mlp_lopt"])
def test_most_rules_learned_no_start(name):
    assembly, module = assembly_of(name), model()
    theta = None if assembly.meta is None else assembly.meta.shipped()
    assert learned_start(assembly, theta, params_of(module)) is None
    with pytest.raises(metaopt.InputError, match=f"'{name}' learned no initialisation"):
        load_start(assembly, theta, module, None)


def other_models():
    wide = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 5))
    short = nn.Sequential(nn.Linear(2, 3))
    long = nn.Sequential(*model(), nn.Linear(2, 2))
    return {
        r"learned for '2\.weight' of shape \(2, 3\), the model's has \(5, 3\)": wide,
        r"learned for a model with the parameter '2\.bias', which this one lacks": short,
        r"3\.weight": long,
        "lazy": nn.Sequential(nn.LazyLinear(3)),
    }


@pytest.mark.parametrize("sentence", other_models())
def test_another_model_is_refused_and_left_as_it_was(sentence):
    other = other_models()[sentence]
    before = None if sentence == "lazy" else {name: param.clone() for name, param in params_of(other).items()}
    with pytest.raises(metaopt.InputError, match="forward pass|batch" if sentence == "lazy" else sentence):
        load_start(assembly_of("maml"), theta_of(model()), other, None)
    if before is not None:
        assert all(torch.equal(param, before[name]) for name, param in params_of(other).items())


def test_a_head_is_made_of_the_means_of_the_support_sets_features():
    """Weights are twice the class's mean feature, biases less its squared length (Triantafillou et al. 2020)."""
    module = model()
    inputs = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    targets = torch.tensor([0, 0, 1])
    with pytest.raises(metaopt.InputError, match=r"makes its last layer from the support set"):
        load_start(assembly_of("proto_maml"), theta_of(module), module, None)
    load_start(assembly_of("proto_maml"), theta_of(module), module, (inputs, targets))
    features = module[:2](inputs).detach()
    for label, mean in enumerate([features[:2].mean(0), features[2]]):
        torch.testing.assert_close(module[2].weight[label].detach(), 2 * mean)
        torch.testing.assert_close(module[2].bias[label].detach(), -mean.square().sum())
    assert torch.equal(module[0].weight, theta_of(module)["start.0.weight"])
