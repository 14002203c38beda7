"""Controllers that look at losses and gradients: their formulas on numbers worked out here, and a deployed run."""

import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

import metaopt
from metaopt.configuration.configuration import assemble
from metaopt.inner import Member, train
from metaopt.plugin.registry import current_registry
from metaopt.space import encode, resolve
from metaopt_controllers.adagrad_norm import ADAGRAD_NORM
from metaopt_controllers.cosine_restarts import COSINE_RESTARTS
from metaopt_controllers.greedy import GREEDY
from metaopt_controllers.hypergradient import HYPERGRADIENT
from metaopt_controllers.polyak import POLYAK


def follow(spec, losses, norms=None, **hparams):
    numbers = encode(spec.space, resolve(spec.space, hparams, spec.name))
    tensors = {name: torch.tensor(number, dtype=torch.float64) for name, number in numbers.items()}
    state, found = spec.controller.init(tensors), []
    for step, loss in enumerate(losses):
        signals = {} if norms is None else {"gradient_norm": torch.tensor(norms[step], dtype=torch.float64)}
        info = metaopt.StepInfo(
            torch.tensor(float(step)), loss=torch.tensor(loss, dtype=torch.float64), signals=signals
        )
        rate, state = spec.controller.update(state, info, tensors)
        found.append(float(rate.value))
    return found


def test_adagrad_norm_is_one_over_the_root_of_squares_so_far():
    found = follow(ADAGRAD_NORM, [0.0] * 4, [3.0, 4.0, math.inf, 12.0], initial=0.0, eps=1e-8)
    assert found == pytest.approx([1 / 3, 1 / 5, 1 / 5, 1 / 13], rel=1e-7), "what is not finite is left out"


def test_polyak_is_the_gap_over_the_squared_norm():
    found = follow(POLYAK, [2.0, 1.0, 0.1], [2.0, 4.0, 1.0], c=0.5, cap=10.0, growth=0.0, lowest=0.1, eps=1e-12)
    assert found == pytest.approx([1.9 / 2, 0.9 / 8, 0.0])
    bounded = follow(POLYAK, [1.0, 1.0, math.nan, 1.0], [1.0, 0.01, 1.0, 0.01], c=1.0, cap=100.0, growth=2.0, eps=1e-12)
    assert bounded == pytest.approx([1.0, 2.0, 0.0, 4.0]), "twice the last one at most; nothing where nothing is known"
    assert max(follow(POLYAK, [1.0] * 3, [0.0] * 3, cap=0.3)) == pytest.approx(0.3)


def test_polyak_solves_a_quadratic_in_one_step_where_its_lowest_value_is_known():
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    optimizer = metaopt.create_optimizer("sgd", [w], lr=123.0)
    recipe = metaopt.Recipe.create(
        metaopt.Configuration("sgd", controller="polyak", hparams={"polyak.c": 1.0, "polyak.cap": 10.0})
    )
    run = recipe.bind([w], total_steps=3)
    run.optimizer.zero_grad()
    loss = w.square().sum() / 2
    loss.backward()
    run.step(loss)
    # f / ‖g‖² is a half: the step goes half of the way, whatever lr says.
    assert w.tolist() == pytest.approx([1.5, 2.0])
    assert optimizer.param_groups[0]["lr"] == 123.0


def test_greedy_goes_up_after_improvements_and_down_after_failures():
    settings = {"up": 2.0, "down": 0.5, "patience": 1, "threshold": 0.0, "smoothing": 0.0, "max_ratio": 4.0}
    better = follow(GREEDY, [10.0 - step for step in range(10)], **settings, min_ratio=0.1)
    assert better == [1, 2, 2, 4, 4, 4, 4, 4, 4, 4], "a raise after every second improvement, up to max_ratio"
    worse = follow(GREEDY, [1.0, *[2.0] * 9], **settings, min_ratio=0.1)
    assert worse == pytest.approx([1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.1, 0.1])
    assert follow(GREEDY, [1.0, math.nan, math.inf, 0.5, 0.4], **settings, min_ratio=0.1) == [1, 1, 0.5, 0.5, 1.0]


def test_greedy_takes_negative_losses():
    settings = {"up": 2.0, "down": 0.5, "patience": 0, "threshold": 0.1, "smoothing": 0.0, "min_ratio": 0.1}
    assert follow(GREEDY, [-1.0, -1.05, -1.2], **settings) == [2.0, 1.0, 2.0], "5 % better is not 10 % better"


def test_greedy_smooths_with_bias_correction():
    settings = {"up": 2.0, "down": 0.5, "patience": 0, "threshold": 0.0, "min_ratio": 0.1, "max_ratio": 100.0}
    # Averages of .5: 4; (4 + 2·1)/3 = 2; (4·.25·.5…): each below the one before, though 3 > 1.
    assert follow(GREEDY, [4.0, 1.0, 2.0], smoothing=0.5, **settings) == [2.0, 4.0, 2.0]
    assert follow(GREEDY, [4.0, 1.0, 1.9], smoothing=0.5, **settings) == [2.0, 4.0, 8.0]


@pytest.mark.parametrize("growth", [1, 2, 3])
def test_cosine_restarts_are_torchs(rates, torch_rates, growth):
    first, cycles = 10, 3
    horizon = sum(first * growth**cycle for cycle in range(cycles))
    theirs = torch_rates(lambda optimizer: CosineAnnealingWarmRestarts(optimizer, first, T_mult=growth), horizon)
    mine = rates(COSINE_RESTARTS, horizon, horizon, warmup=0.0, final_ratio=0.0, cycles=cycles, growth=float(growth))
    torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-8)
    late = rates(COSINE_RESTARTS, horizon, horizon + 5, warmup=0.0, cycles=cycles, growth=float(growth))
    assert late[-5:].abs().max() < 1e-7, "past the plan it stays at the end"


@pytest.mark.parametrize("controller", ["greedy", "adagrad_norm", "polyak", "hypergradient"])
def test_a_resumed_run_equals_an_unbroken_one(controller):
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    recipe = metaopt.Recipe.create(metaopt.Configuration("sgd", controller=controller, hparams={"sgd.lr": 0.05}))

    def begun():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        return model, recipe.bind(model, total_steps=30)

    def go(model, run, steps):
        for _ in range(steps):
            run.optimizer.zero_grad()
            loss = (model(inputs) - inputs[:, :1].sin()).square().mean()
            loss.backward()
            run.step(loss)
        return [one.detach().clone() for one in model.parameters()]

    unbroken = go(*begun(), 30)
    model, run = begun()
    go(model, run, 12)
    again, second = begun()
    again.load_state_dict(model.state_dict())
    second.load_state_dict(run.state_dict())
    assert all(torch.equal(one, two) for one, two in zip(go(again, second, 18), unbroken, strict=True))


def test_hypergradient_rises_while_going_on_is_downhill():
    numbers = {"kappa": 0.1, "min_ratio": 0.5, "max_ratio": 1.2}
    tensors = {name: torch.tensor(number, dtype=torch.float64) for name, number in numbers.items()}
    state, found = HYPERGRADIENT.controller.init(tensors), []
    for step, agreement in enumerate([0.0, -1.0, -0.5, -1.0, 1.0, math.nan, *[1.0] * 9]):
        info = metaopt.StepInfo(torch.tensor(float(step)), signals={"agreement": torch.tensor(agreement)})
        rate, state = HYPERGRADIENT.controller.update(state, info, tensors)
        found.append(float(rate.value))
    assert found[:6] == pytest.approx([1.0, 1.1, 1.155, 1.2, 1.08, 1.08])
    assert found[-1] == 0.5


def hypergradient_run(model, **hparams):
    configuration = metaopt.Configuration("sgd", controller="hypergradient", hparams={"sgd.lr": 0.05, **hparams})
    return metaopt.Recipe.create(configuration).bind(model, total_steps=20)


def test_agreement_is_the_cosine_of_gradient_and_last_update():
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    run = hypergradient_run([w], **{"hypergradient.kappa": 0.5})
    rates = []
    for gradient in ([1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]):
        w.grad = torch.tensor(gradient)
        run.step(torch.tensor(1.0))
        rates.append(run.optimizer.param_groups[0]["lr"] / 0.05)
    # Updates are −rate·gradient: cosines 0, −1, 1, 1/√2, then 0 (no gradient) and 0 (no update).
    last = 0.75 * (1 - 0.5 / math.sqrt(2))
    assert rates == pytest.approx([1.0, 1.5, 0.75, last, last, last], rel=1e-5)


def test_a_population_trains_as_a_deployed_run_does():
    task = dataclasses.replace(metaopt.load_corpus("starter")["wine_tanh"], num_steps=30, num_validations=3)
    configuration = metaopt.Configuration("sgd", controller="hypergradient", hparams={"hypergradient.kappa": 0.2})
    member = Member(assemble(configuration, current_registry()), 0)
    other = Member(assemble(metaopt.Configuration("sgd"), current_registry()), 0)
    together, constant = (one.curve for one in train(task, [member, other]))
    alone = train(task, [member], engine="loop")[0].curve
    assert not (together.values == constant.values).all()
    torch.testing.assert_close(torch.tensor(together.values), torch.tensor(alone.values), rtol=1e-4, atol=1e-6)


def test_a_loop_that_does_not_supply_it_is_refused_by_name():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    with pytest.raises(metaopt.PluginError, match="agreement"):
        metaopt.create_scheduler("hypergradient", optimizer, total_steps=5)
