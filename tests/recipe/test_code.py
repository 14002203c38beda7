import json
import math
import os
import random
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

import metaopt
from metaopt import RateLaw
from metaopt.configuration import Configuration
from metaopt.deploy import rate_table
from metaopt.deploy.stopping.configuration import StopperConfiguration, build_stopper
from metaopt.plugin.registry import current_registry
from metaopt.recipe import Recipe
from metaopt.space import encode

EPOCHS, BATCHES = 10, 5

#: Trains for 50 steps and prints losses, validations and rates: through recipe code where metaopt cannot be imported.
COMMON = textwrap.dedent(
    """
    import torch
    from torch import nn

    def model_of():
        torch.manual_seed(0)
        # A bias before BatchNorm has no gradient but rounding, which would decide where it goes.
        return nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))

    def batches():
        generator = torch.Generator().manual_seed(1)
        inputs = torch.randn(5, 16, 4, generator=generator)
        return [(x, x.sum(1, keepdim=True) / 2) for x in inputs]
    """
)

ALONE = textwrap.dedent(
    """
    import inspect, json, sys

    class Refuse:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0].startswith("metaopt"):
                raise ImportError(name)

    sys.meta_path.insert(0, Refuse())
    torch.set_num_threads(1)
    model, losses = model_of(), []

    def loss_fn(outputs, targets):
        loss = nn.functional.mse_loss(outputs, targets)
        losses.append(loss.item())
        return loss

    @torch.no_grad()
    def validate(model):
        assert not model.training
        inputs, targets = batches()[0]
        return nn.functional.mse_loss(model(inputs), 0.9 * targets).item()

    sizes = {"batch_size": 8} if "batch_size" in inspect.signature(train).parameters else {}
    history = train(model, batches(), loss_fn, validate, epochs=10, **sizes)
    print(json.dumps([losses, history, validate(model)]))
    """
)


def with_metaopt(recipe):
    space = {}
    exec(COMMON, space)
    model, losses, history = space["model_of"](), [], []
    total_steps = EPOCHS * BATCHES
    run = recipe.bind(model, total_steps=total_steps, batch_size=8)

    @torch.no_grad()
    def validate():
        with run.evaluating():
            inputs, targets = space["batches"]()[0]
            return nn.functional.mse_loss(model(inputs), 0.9 * targets).item()

    for _ in range(EPOCHS):
        for inputs, targets in space["batches"]():
            run.optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(inputs), targets)
            loss.backward()
            run.step(loss)
            losses.append(loss.item())
        history.append([run.num_steps, validate()])
        if run.observe(history[-1][1]).stop:
            break
    run.restore_best()
    return losses, history, validate()


def alone(recipe):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", COMMON + recipe.code() + ALONE],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "controller", "hparams", "stopper"),
    [
        ("adamw", "wsd", {"adamw.lr": 0.03}, StopperConfiguration("patience", {"patience": 0.3})),
        ("sgd", "plateau", {"sgd.lr": 0.1, "plateau.patience": 1, "plateau.threshold": 0.05}, None),
        (
            "schedulefree_adamw",
            "constant",
            {"schedulefree_adamw.lr": 0.03},
            StopperConfiguration("patience", {"patience": 3, "min_delta": 1e-3}),
        ),
    ],
)
def test_the_plain_lines_train_as_the_recipe_does_where_metaopt_cannot_be_imported(
    optimizer, controller, hparams, stopper
):
    check_plain_lines(Recipe.create(Configuration(optimizer, controller, hparams=hparams), stopper))


@pytest.mark.slow
@pytest.mark.parametrize("controller", ["wsd", "plateau"])
def test_so_do_those_of_several_classes(controller):
    roles = {"input": {"optimizer": "sgd"}, "head": {"rate": 0.5}}
    hparams = {"adamw.lr": 0.05, "sgd.lr": 0.1, "sgd.momentum": 0.5}
    check_plain_lines(Recipe.create(Configuration("adamw", controller, hparams=hparams, roles=roles, depth_decay=0.9)))


@pytest.mark.slow
@pytest.mark.parametrize("controller", ["exponential", "plateau"])
@pytest.mark.parametrize("roles", [{}, {"input": {"optimizer": "sgd"}, "head": {"rate": 0.5}}])
def test_so_do_those_of_rates_that_follow_a_law_and_rise(controller, roles):
    law = {"adamw": RateLaw(), **({"sgd": RateLaw(0.2, -0.1, 0.0)} if roles else {})}
    hparams = {"adamw.lr": 0.02, **({"sgd.lr": 0.05} if roles else {})}
    configuration = Configuration("adamw", controller, hparams=hparams, roles=roles, rate_law=law, warmup=0.3)
    check_plain_lines(Recipe.create(configuration))


def check_plain_lines(recipe):
    losses, history, final = with_metaopt(recipe)
    plain_losses, plain_history, plain_final = alone(recipe)
    assert plain_losses == pytest.approx(losses, rel=1e-4)
    assert [step for step, _ in plain_history] == [step for step, _ in history]
    assert [value for _, value in plain_history] == pytest.approx([value for _, value in history], rel=1e-4)
    assert plain_final == pytest.approx(final, rel=1e-4)
    assert losses[-1] < losses[0] / 2


def multiplier_of(spec, values, total_steps):
    code = f"def multiplier(step):\n{textwrap.indent(textwrap.dedent(spec.plain(values)), '    ')}"
    space = {"math": math, "total_steps": total_steps}
    exec(code, space)
    return space["multiplier"]


@pytest.mark.parametrize("name", ["constant", "cosine", "exponential", "linear", "one_cycle", "wsd"])
def test_the_plain_form_of_a_controller_equals_its_table_anywhere_in_its_space(name):
    spec = current_registry().get(metaopt.ControllerSpec, name)
    chance = random.Random(0)
    for total_steps in (1, 7, 100):
        for unit in [0.0, 1.0, *(chance.random() for _ in range(20))]:
            values = {
                key: distribution.from_unit(unit if unit in (0, 1) else chance.random())
                for key, distribution in spec.space.items()
            }
            hparams = {key: torch.tensor(n, dtype=torch.float64) for key, n in encode(spec.space, values).items()}
            table, absolute = rate_table(spec, hparams, total_steps, total_steps + 10)
            multiplier = multiplier_of(spec, values, total_steps)
            assert not absolute
            assert [multiplier(step) for step in range(total_steps + 10)] == pytest.approx(table.tolist(), abs=1e-9)


def test_the_plain_form_of_patience_equals_the_stopper_anywhere_in_its_space():
    spec = current_registry().get(metaopt.StopperSpec, "patience")
    chance = random.Random(0)
    for _ in range(100):
        values = {key: distribution.from_unit(chance.random()) for key, distribution in spec.space.items()}
        values["patience"] = chance.choice([1, 2, 3.5, 0.1, 0.25, values["patience"]])
        values["min_delta"] *= 10
        values["unit"] = chance.choice(["auto", "auto", "steps", "epochs"])
        values["warmup"] *= chance.choice([0, 1, 20])
        body = textwrap.indent(textwrap.dedent(spec.plain(values)), "    ")
        space = {"math": math}
        exec(f"def should_stop(history, total_steps):\n{body}", space)
        stopper = build_stopper(StopperConfiguration("patience", values), mode="min")
        history, answers, stopped = [], [], []
        for step in range(4, 101, 4):
            history.append((step, chance.choice([math.nan, math.inf, chance.gauss(0, 1)])))
            answers.append(space["should_stop"](history, 100))
            clock = {"epoch": len(history)}
            stopped.append(stopper.observe(metaopt.Observation(step, history[-1][1], 100, clock)).stop)
        first = answers.index(True) if True in answers else None
        assert (stopped.index(True) if True in stopped else None) == first, (values, history)


def test_weight_decay_spares_what_the_recipe_spares():
    recipe = Recipe.create(Configuration("adamw", hparams={"adamw.weight_decay": 0.1}))
    spared = recipe.code()
    assert '"weight_decay": 0.0}' in spared
    everywhere = Recipe.create(Configuration("adamw", hparams={"adamw.weight_decay": 0.1}, no_decay="none")).code()
    assert '"weight_decay": 0.0}' not in everywhere
    space = {}
    exec(spared, space)
    groups = space["make_optimizer"](nn.Linear(3, 2)).param_groups
    assert [(len(group["params"]), group["weight_decay"], group["fused"]) for group in groups] == [
        (1, 0.1, True),
        (1, 0.0, True),
    ]


@pytest.mark.parametrize(
    "stopper", [StopperConfiguration("prechelt"), StopperConfiguration("patience", {"unit": "seconds", "patience": 60})]
)
def test_a_stopper_without_a_plain_form_leaves_a_line_that_says_so(stopper):
    code = Recipe.create(Configuration("adamw"), stopper).code()
    assert f"# The recipe's stopper, {stopper.name}, has no plain form: this loop trains to the end." in code
    compile(code, "recipe", "exec")


@pytest.mark.parametrize(
    ("configuration", "theta", "reason"),
    [
        (Configuration("lion"), None, "no library's class computes what the optimizer 'lion' does"),
        (Configuration("adamw", wrappers=("averaged",)), None, "the optimizer is wrapped in averaged"),
        (Configuration("adamw"), {"weight": torch.ones(1)}, "it has learned weights"),
        (Configuration("adamw", surgery="pcgrad"), None, "the surgery 'pcgrad' is for losses of several tasks"),
    ],
)
def test_where_there_are_no_plain_lines_the_reason_is_named(configuration, theta, reason):
    with pytest.raises(metaopt.RecipeError, match=f"no plain PyTorch form: {reason}"):
        Recipe.create(configuration, theta=theta).code()
