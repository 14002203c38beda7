"""Rates looked up in pieces are those of the table, at any step and in any order."""

import copy
import math
import warnings

import pytest
import torch
from torch import nn

import metaopt
from metaopt.contracts import Rate, warmup_multiplier
from metaopt.deploy import ControllerScheduler
from metaopt.deploy.scheduler.rate_lookup import STEPS_AT_ONCE, RateLookup, WarmUp, rate_table
from metaopt.plugin import ControllerSpec, current_registry
from metaopt.space import defaults, encode, resolve

TABLES = [
    name
    for name in current_registry().names(ControllerSpec)
    if current_registry().get(ControllerSpec, name).cadence == "table"
]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("total_steps", [1, 4095, 4096, 4097, 12_289])
def test_rates_in_pieces_are_those_of_the_whole_table_bit_for_bit(name, total_steps):
    spec = current_registry().get(ControllerSpec, name)
    hparams = {
        key: torch.tensor(float(value), dtype=torch.float64)
        for key, value in encode(spec.space, defaults(spec.space)).items()
    }
    table, _ = rate_table(spec, hparams, total_steps, total_steps + 1)
    lookup = RateLookup(spec, hparams, total_steps)
    steps = [*range(0, total_steps + 1, 7), total_steps]
    assert [lookup.at(step) for step in steps] == table[steps].tolist()
    assert lookup.at(0) == table[0].item()  # back in an earlier piece


class InverseRoot:
    """1/√(t+1), as a multiplier or as a rate."""

    def __init__(self, absolute):
        self.absolute = absolute

    def init(self, hparams):
        return {}

    def update(self, state, info, hparams):
        return Rate((info.step + 1).rsqrt(), absolute=self.absolute), state


def inverse_root(total_steps, absolute=False):
    spec = metaopt.ControllerSpec(name="inverse_root", version="1", controller=InverseRoot(absolute), space={})
    return RateLookup(spec, {}, total_steps)


def test_without_a_plan_rates_go_on_from_span_to_span():
    lookup = inverse_root(None)
    for step in (0, 3, STEPS_AT_ONCE - 1, STEPS_AT_ONCE, 10 * STEPS_AT_ONCE + 7, 1):
        assert lookup.at(step) == pytest.approx(1 / math.sqrt(step + 1), rel=1e-12)


def test_past_the_plan_the_last_rate_holds():
    lookup = inverse_root(15)
    assert [lookup.at(step) for step in (15, 16, 10**9)] == pytest.approx([0.25] * 3, rel=1e-12)


@pytest.mark.parametrize("absolute", [False, True])
def test_rates_are_told_from_multipliers(absolute):
    lookup = inverse_root(15, absolute)
    lookup.at(0)
    assert lookup.is_absolute is absolute


def scheduled(name, *, warmup, total_steps=100, lr=0.5):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(2)), nn.Parameter(torch.ones(1))], lr=lr)
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(3))], "lr": lr / 4})
    spec = current_registry().get(ControllerSpec, name)
    values = resolve(spec.space, {}, name)
    return ControllerScheduler(optimizer, spec, values, total_steps=total_steps, warmup=warmup)


def rates(scheduler, steps):
    told = []
    for step in range(steps):
        told.append([group["lr"] for group in scheduler.optimizer.param_groups])
        if step % 10 == 9:
            scheduler.observe(1.0)
        scheduler.optimizer.step()
        scheduler.step()
    return torch.tensor(told)


@pytest.mark.parametrize("name", ["plateau", "exponential", "constant"])
def test_rates_are_the_controllers_times_the_rise_in_all_groups(name):
    rise = (torch.arange(100) + 1).div(20).clamp(max=1.0)
    torch.testing.assert_close(
        rates(scheduled(name, warmup=0.2), 100), rates(scheduled(name, warmup=0.0), 100) * rise[:, None]
    )


def test_without_a_plan_it_takes_25_steps():
    told = rates(scheduled("plateau", warmup=0.05, total_steps=None), 40)[:, 0]
    torch.testing.assert_close(told, 0.5 * (torch.arange(40) + 1).div(25).clamp(max=1.0))


def test_a_resumed_warm_up_goes_on_where_it_was():
    unbroken, broken = scheduled("exponential", warmup=0.3), scheduled("exponential", warmup=0.3)
    expected = rates(unbroken, 60)
    first = rates(broken, 11)
    state = copy.deepcopy(broken.state_dict())
    resumed = scheduled("exponential", warmup=0.3)
    resumed.load_state_dict(state)
    assert torch.cat([first, rates(resumed, 49)]).equal(expected)


def test_states_without_a_warm_up_are_those_of_schedulers_without():
    state = scheduled("plateau", warmup=0.0).state_dict()
    assert "warmup" not in state
    with pytest.raises(metaopt.InputError, match=r"warmup is 0\.05, the state's is 0\.0"):
        scheduled("plateau", warmup=0.05).load_state_dict(state)


def test_absolute_rates_do_not_rise():
    configuration = metaopt.Configuration("sgd", "polyak", warmup=0.1)
    with pytest.raises(metaopt.PluginError, match="'polyak' gives the rates themselves; leave out warmup"):
        metaopt.Recipe.create(configuration)


def test_a_controller_with_a_warm_up_of_its_own_gets_no_second_one():
    with pytest.raises(metaopt.PluginError, match="'wsd' has a warm-up of its own"):
        metaopt.Recipe.create(metaopt.Configuration("sgd", "wsd", warmup=0.1))


@pytest.mark.parametrize("name", ["greedy", "hypergradient", "adagrad_norm"])
def test_controllers_that_look_at_each_step_rise_too(name):
    def told(warmup):
        torch.manual_seed(0)
        model, inputs = nn.Linear(3, 1), torch.randn(20, 8, 3)
        recipe = metaopt.Recipe.create(metaopt.Configuration("sgd", name, hparams={"sgd.lr": 0.1}, warmup=warmup))
        run, rates = recipe.bind(model, total_steps=20), []
        for batch in inputs[:1]:
            loss = model(batch).square().mean()
            loss.backward()
            run.step(loss)
            rates.append(run.scheduler.share)
        return rates

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert told(1.0)[0] < told(0.0)[0]


@pytest.mark.parametrize(("share", "total_steps"), [(0.05, 333), (0.3, None), (1.0, 7), (0.01, 50), (0.0, 50)])
def test_multipliers_are_those_of_the_formula_to_the_last_bit(share, total_steps):
    steps = torch.arange(total_steps or 500, dtype=torch.float64)
    wanted = warmup_multiplier(steps, *torch.tensor([total_steps or 500, share], dtype=torch.float64))
    assert [WarmUp(share, total_steps).at(step) for step in range(len(steps))] == wanted.tolist()


def test_a_plan_of_any_length_costs_nothing():
    assert WarmUp(1.0, 2**52).at(2**51 - 1) == 0.5


def numbers(spec, **values):
    return {
        name: torch.tensor(value, dtype=torch.float64)
        for name, value in encode(spec.space, resolve(spec.space, values, spec.name)).items()
    }


@pytest.mark.parametrize("name", TABLES)
def test_a_table_holds_what_the_scheduler_sets_step_by_step(name):
    spec = current_registry().get(ControllerSpec, name)
    table, absolute = rate_table(spec, numbers(spec), 20, 25)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = metaopt.create_scheduler(name, optimizer, total_steps=20)
    rates = []
    for _ in range(25):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert not absolute
    # Past the horizon a scheduler holds its last rate.
    torch.testing.assert_close(table[:20], torch.tensor(rates[:20], dtype=torch.float64), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", TABLES)
def test_many_members_tables_are_those_of_each(name):
    spec = current_registry().get(ControllerSpec, name)
    each = [numbers(spec) for _ in range(3)]
    for index, values in enumerate(each):
        if "warmup" in values:
            values["warmup"] = torch.tensor(0.1 * index, dtype=torch.float64)
    together = {key: torch.stack([values[key] for values in each]) for key in each[0]}
    tables, _ = rate_table(spec, together, 30, 30)
    for row, values in enumerate(each):
        torch.testing.assert_close(tables.expand(3, -1)[row] if tables.ndim == 1 else tables[row],
                                   rate_table(spec, values, 30, 30)[0])  # fmt: skip


def test_a_constant_rate_is_one_at_every_step_and_needs_no_horizon():
    spec = current_registry().get(ControllerSpec, "constant")
    table, absolute = rate_table(spec, numbers(spec, warmup=0.0), None, 7)
    assert table.tolist() == [1.0] * 7
    assert not absolute


def test_a_rate_that_depends_on_the_horizon_says_so_where_there_is_none():
    spec = current_registry().get(ControllerSpec, "cosine")
    with pytest.raises(metaopt.InputError, match="'cosine' spreads its rates over the planned number of steps"):
        rate_table(spec, numbers(spec), None, 7)


def test_absolute_rates_are_told_apart_from_multipliers():
    class Absolute:
        def init(self, hparams):
            return {}

        def update(self, state, info, hparams):
            return metaopt.Rate(0.1 * (info.step + 1), absolute=True), state

    table, absolute = rate_table(ControllerSpec(name="mine", version="1", controller=Absolute()), {}, 3, 3)
    assert absolute
    torch.testing.assert_close(table.float(), torch.tensor([0.1, 0.2, 0.3]))
