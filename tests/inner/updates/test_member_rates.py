import dataclasses
import math

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import assemble
from metaopt.errors import PluginError
from metaopt.inner import Member
from metaopt.inner.updates.member_rates import MemberRates
from metaopt.plugin import current_registry


def with_controller(member, **fields):
    """The member with a controller of one's own."""
    spec = metaopt.ControllerSpec(name="mine", version="1", **fields)
    return dataclasses.replace(
        member, assembly=dataclasses.replace(member.assembly, controller=spec, controller_values={})
    )


def asked(rates, step, members, losses=None, **signals):
    losses = torch.zeros(members) if losses is None else losses
    return rates.at(step, torch.full((members,), 0.5), losses, signals)


def test_members_with_different_controllers_each_get_what_their_scheduler_would_set(member):
    settings = [("cosine", {}), ("wsd", {"wsd__warmup": 0.2}), ("constant", {}), ("wsd", {}), ("exponential", {})]
    rates = MemberRates([member("sgd", name, **hparams) for name, hparams in settings], horizon=12)
    schedulers = []
    for name, hparams in settings:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
        plain = {key.split("__")[1]: value for key, value in hparams.items()}
        schedulers.append((optimizer, metaopt.create_scheduler(name, optimizer, total_steps=12, **plain)))
    for step in range(12):
        expected = torch.tensor([scheduler.get_last_lr()[0] for _, scheduler in schedulers])
        torch.testing.assert_close(asked(rates, step, len(settings)), expected, rtol=1e-6, atol=0)
        for optimizer, scheduler in schedulers:
            optimizer.step()
            scheduler.step()


def test_a_controller_asked_at_each_step_sees_losses_and_signals_and_remembers(member):
    class Damped:
        """Divides by one more than the largest gradient norm so far; waits while the loss is not finite."""

        def init(self, hparams):
            return {"largest": torch.zeros(())}

        def update(self, state, info, hparams):
            largest = torch.maximum(state["largest"], info.signals["gradient_norm"])
            return metaopt.Rate(torch.where(info.loss.isfinite(), 1 / (1 + largest), 0.0)), {"largest": largest}

    requires = frozenset({"loss", "gradient_norm"})
    damped = with_controller(member("sgd"), controller=Damped(), cadence="step", requires=requires)
    rates = MemberRates([damped, member("sgd"), damped], horizon=5)
    norm, losses = torch.tensor([1.0, 9.0, 3.0]), torch.tensor([0.0, 0.0, math.nan])
    assert asked(rates, 0, 3, losses, gradient_norm=norm).tolist() == [0.25, 0.5, 0.0]
    assert asked(rates, 1, 3, None, gradient_norm=torch.zeros(3)).tolist() == [0.25, 0.5, 0.125]


def test_a_validation_is_heard_by_those_who_listen(member):
    plateau = {"plateau__patience": 0, "plateau__factor": 0.5}
    rates = MemberRates([member("sgd", "plateau", **plateau), member("sgd")], horizon=10)
    for step, metric, expected in ((1, 1.0, 0.5), (2, 1.0, 0.25), (3, 0.5, 0.25), (4, math.nan, 0.125)):
        rates.validated(step, torch.tensor([metric, metric]))
        torch.testing.assert_close(asked(rates, step, 2), torch.tensor([expected, 0.5]))


def test_absolute_rates_replace_the_members_own(member):
    class Absolute:
        def init(self, hparams):
            return {}

        def update(self, state, info, hparams):
            return metaopt.Rate(0.01 * (info.step + 1), absolute=True), state

    rates = MemberRates([with_controller(member("sgd"), controller=Absolute()), member("sgd")], horizon=5)
    torch.testing.assert_close(asked(rates, 2, 2), torch.tensor([0.03, 0.5]))


def test_a_rate_for_each_name_is_refused_by_the_controllers_name(member):
    class PerName:
        def init(self, hparams):
            return {"seen": torch.zeros(())}

        def update(self, state, info, hparams):
            return metaopt.Rate({"weight": info.step}), state

    rates = MemberRates([with_controller(member("sgd"), controller=PerName(), cadence="step")], horizon=5)
    with pytest.raises(PluginError, match="needs one rate for all parameters, but 'mine' gives one a name"):
        asked(rates, 0, 1)


def test_warm_ups_in_front_of_members_are_those_of_schedulers(member):
    settings = [("plateau", 0.25), ("exponential", 0.5), ("plateau", 0.0), ("wsd", 0.0)]
    members, schedulers = [], []
    for name, warmup in settings:
        configuration = metaopt.Configuration("sgd", name, hparams={"sgd.lr": 0.5}, warmup=warmup)
        members.append(Member(assemble(configuration, current_registry()), 0))
        parameter = nn.Parameter(torch.zeros(1))
        schedulers.append(metaopt.Recipe.create(configuration).bind([parameter], total_steps=12).scheduler)
    rates = MemberRates(members, horizon=12)
    for step in range(12):
        expected = torch.tensor([scheduler.get_last_lr()[0] for scheduler in schedulers])
        torch.testing.assert_close(asked(rates, step, len(settings)), expected, rtol=1e-6, atol=0)
        for scheduler in schedulers:
            scheduler.optimizer.step()
            scheduler.step()
    for scheduler in schedulers:
        scheduler.observe(1.0)
    assert (asked(rates, 0, 4) < 0.5).tolist() == [True, True, False, False]
