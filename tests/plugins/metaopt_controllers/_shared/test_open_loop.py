import pytest
import torch

import metaopt
import metaopt_controllers
from metaopt.space import encode, resolve

CONTROLLERS = [one for one in metaopt_controllers.metaopt_plugins() if isinstance(one, metaopt.ControllerSpec)]
SPECS = {spec.name: spec for spec in CONTROLLERS if spec.cadence == "table"}


@pytest.fixture(params=SPECS)
def spec(request):
    return SPECS[request.param]


def test_past_the_horizon_the_rate_stays_where_it_ended(spec, rates):
    end = rates(spec, 20, 60)[20:]
    assert (end == end[0]).all()


def test_a_run_cut_short_has_seen_the_same_rates(spec, rates):
    assert rates(spec, 50, 10).equal(rates(spec, 50, 60)[:10])


def test_the_same_fractions_mean_the_same_on_a_longer_run(spec, rates):
    short, long = rates(spec, 500, 500), rates(spec, 1_500, 1_500)[::3]
    torch.testing.assert_close(short, long, atol=0.05, rtol=0)


def test_the_first_step_moves(spec, rates):
    assert all(rates(spec, horizon, 1)[0] > 0 for horizon in (1, 2, 3, 1_000))


def test_a_table_of_all_steps_and_many_settings_comes_from_one_vmap(spec, rates):
    horizon = torch.tensor(30.0, dtype=torch.float64)
    units = torch.linspace(0, 1, 7).tolist()
    settings = [{name: domain.from_unit(unit) for name, domain in spec.space.items()} for unit in units]
    encoded = [encode(spec.space, resolve(spec.space, setting, spec.name)) for setting in settings]
    hparams = {name: torch.tensor([row[name] for row in encoded], dtype=torch.float64) for name in spec.space}

    def rate(step, values):
        return spec.controller.update({}, metaopt.StepInfo(step, horizon), values)[0].value

    steps = torch.arange(40, dtype=torch.float64)
    table = torch.vmap(torch.vmap(rate, in_dims=(0, None)), in_dims=(None, 0))(steps, hparams)
    for row, setting in zip(table, settings, strict=True):
        torch.testing.assert_close(row, rates(spec, 30, 40, **setting))


def test_gradients_by_the_hyperparameters_are_finite_at_every_step(spec):
    for unit in (0.0, 0.5, 1.0):
        setting = {name: domain.encode(domain.from_unit(unit)) for name, domain in spec.space.items()}
        hparams = {name: torch.tensor(value, requires_grad=True) for name, value in setting.items()}
        for step in range(25):
            info = metaopt.StepInfo(torch.tensor(float(step)), torch.tensor(20.0))
            value = spec.controller.update({}, info, hparams)[0].value
            wanted = [tensor for name, tensor in hparams.items() if name != "shape"]
            gradients = torch.autograd.grad(value, wanted, allow_unused=True)
            assert all(gradient is None or gradient.isfinite() for gradient in gradients)


@pytest.mark.parametrize("name", sorted(set(SPECS) - {"constant"}))
def test_without_a_horizon_it_says_what_is_missing(name, rates):
    assert "horizon" in SPECS[name].requires
    with pytest.raises(metaopt.InputError, match=rf"'{name}'.*planned number of steps.*give total_steps="):
        rates(SPECS[name], None, 1)


@pytest.mark.parametrize(
    ("name", "given"), [("linear", {"warmup": 1.5}), ("wsd", {"decay": 0.0}), ("exponential", {"final_ratio": 0.0})]
)
def test_a_share_outside_its_range_is_refused_with_the_range(name, given):
    with pytest.raises(metaopt.InputError, match=r"must be in [\[(]0, 1\], got"):
        resolve(SPECS[name].space, given, name)
