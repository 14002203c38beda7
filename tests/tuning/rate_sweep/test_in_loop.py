import pytest
import torch
from torch import nn

import metaopt
from metaopt import Configuration, Recipe


def batches(count=12, rows=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, rows, 3, generator=generator)
    return [(part, part.sum(1, keepdim=True)) for part in inputs]


def found(model, loader, **settings):
    settings = {"recipe": Recipe.create(Configuration("sgd", hparams={"sgd.lr": 0.02})), "num_steps": 20, **settings}
    return metaopt.lr_find(model, nn.functional.mse_loss, loader, num_seeds=2, **settings)


def test_a_linear_regression_wants_a_higher_rate_than_a_fiftieth():
    torch.manual_seed(0)
    sweep = found(nn.Linear(3, 1), batches(), total_steps=320)
    assert 0.03 < sweep.best < 0.6
    assert sweep.suggestion == pytest.approx(sweep.best / 2)
    assert len(sweep.rates) == 9


def test_model_gradients_modes_and_random_numbers_are_left_as_they_were():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.2), nn.Linear(4, 1))
    model[2].eval()
    model[0].weight.grad = torch.ones(4, 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    loader = torch.utils.data.DataLoader(batches(), batch_size=None, shuffle=True)
    found(model, loader)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(model[0].weight.grad, torch.ones(4, 3))
    assert model[0].bias.grad is None
    assert [module.training for module in model] == [True, True, False, True]
    assert torch.equal(random, torch.get_rng_state())


def test_weights_come_back_after_an_error_too():
    model = nn.Linear(3, 1)
    before = model.weight.detach().clone()
    calls = []

    def loss_fn(outputs, targets):
        calls.append(1)
        if len(calls) == 5:
            raise RuntimeError("mine")
        return nn.functional.mse_loss(outputs, targets)

    with pytest.raises(RuntimeError, match="mine"):
        metaopt.lr_find(model, loss_fn, batches(), num_steps=10)
    assert torch.equal(model.weight, before)


def test_the_law_goes_by_model_batch_and_steps():
    configuration = Configuration("sgd", hparams={"sgd.lr": 0.02}, rate_law={"sgd": metaopt.RateLaw()})
    recipe = Recipe.create(configuration)
    sweep = found(nn.Linear(3, 1), batches(), recipe=recipe, total_steps=2000, batch_size=8)
    assert sweep.law_rate == pytest.approx(recipe.rate_at(parameters=4, batch_size=8, total_steps=2000))
    assert sweep.rates[4] == pytest.approx(recipe.rate_at(parameters=4, batch_size=8, total_steps=20))


@pytest.mark.parametrize(
    ("loader", "settings", "sentence"),
    [
        ([], {}, "a loader without batches"),
        (iter(batches(2)), {}, "a loader without batches"),
        ([torch.ones(3)], {}, r"a loader of \(inputs, targets\), got 'Tensor'"),
        (batches(), {"num_steps": 0}, "num_steps must be at least 1"),
        (batches(), {"total_steps": 1.5}, "total_steps must be a whole number"),
        (batches(), {"octaves": 0}, "octaves must be a whole number"),
        (batches(), {"recipe": Recipe.create(Configuration("sgd", "polyak"))}, "no rate to look for: 'polyak' sets"),
    ],
)
def test_bad_input_is_one_sentence(loader, settings, sentence):
    with pytest.raises(metaopt.InputError, match=sentence):
        found(nn.Linear(3, 1), loader, **settings)
