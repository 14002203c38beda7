"""One model trained by a recipe."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.contracts import Split
from metaopt.prediction.training import MOST_ROWS, Plan, is_finite, outputs, trained


def line(count=64):
    inputs = torch.linspace(-1, 1, count)[:, None]
    return Split(inputs, 3 * inputs)


def plan(**changes):
    said = {"loss": F.mse_loss, "metric": F.mse_loss, "mode": "min", "batch_size": 16, "num_steps": 60}
    return Plan(**{**said, "num_validations": 6, **changes})


def model(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(1, 1)


RECIPE = metaopt.load_recipe("default")


def test_the_best_validated_weights_are_kept():
    net = model()
    done = trained(RECIPE, net, line(), plan(), validation=line(32))
    assert not net.training
    assert done.best_step in (10, 20, 30, 40, 50, 60)
    value = float(F.mse_loss(outputs(net, line(32).inputs), line(32).targets))
    assert value == pytest.approx(done.best_value)
    assert value < 0.1


def test_without_validation_all_steps_are_taken():
    done = trained(RECIPE, model(), line(), plan())
    assert (done.num_steps, done.best_step) == (60, None)


def test_a_training_until_a_step_is_the_beginning_of_the_whole_one():
    first, second = model(), model()
    whole = trained(RECIPE, first, line(), plan(), validation=line(32), seed=3)
    trained(RECIPE, second, line(), plan(), until=whole.best_step, seed=3)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_the_same_seed_is_the_same_training_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    nets = [nn.Sequential(nn.Dropout(0.5), nn.Linear(1, 1)) for _ in range(3)]
    for net in nets:
        net.load_state_dict(nets[0].state_dict())
    torch.set_rng_state(before)
    for net, seed in zip(nets, (1, 1, 2), strict=True):
        trained(RECIPE, net, line(), plan(), seed=seed)
    assert torch.equal(torch.get_rng_state(), before)
    weights = [float(net[1].weight.detach()) for net in nets]
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.filterwarnings("ignore:At step:RuntimeWarning")
def test_a_training_that_diverges_has_no_best_step():
    recipe = metaopt.Recipe.create(Configuration("sgd", hparams={"sgd.lr": 1e30}))
    net, steep = model(), plan(loss=lambda a, b: ((a - b) * 1e20).square().mean())
    done = trained(recipe, net, line(), steep, validation=line(32))
    assert done.best_step is None or not is_finite(net) or done.best_value is not None


def test_many_rows_go_through_in_parts():
    inputs = torch.zeros(MOST_ROWS + 1, 1)
    assert outputs(model(), inputs).shape == (MOST_ROWS + 1, 1)
