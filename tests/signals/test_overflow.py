"""A batch whose gradients overflow is skipped alike in a bound recipe and in the engine, however the engine runs."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.inner import Member, train
from metaopt.inner.gradients.batches import batch_indices
from metaopt.plugin.registry import current_registry
from metaopt.signals.overflow import LARGEST_NORM, MAX_SKIPS, overflows

pytestmark = pytest.mark.thorough

SEED, STEPS = 5, 60
GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(96, 6, generator=GENERATOR)
TARGETS = (INPUTS[:, :1] * INPUTS[:, 1:2]).tanh()


def model():
    return nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))


def task_of(poison, num_poisoned=1, **fields):
    """A regression in which some training targets are `poison`: each epoch has one bad batch or several."""
    targets = TARGETS[:64].clone()
    targets[:num_poisoned] = poison
    splits = metaopt.Splits(
        metaopt.Split(INPUTS[:64], targets),
        metaopt.Split(INPUTS[64:80], TARGETS[64:80]),
        metaopt.Split(INPUTS[80:], TARGETS[80:]),
    )
    standard = {
        "name": "waves", "family": "waves", "model": model, "data": splits, "loss": nn.functional.mse_loss,
        "batch_size": 8, "num_steps": STEPS, "num_validations": 12,
    }  # fmt: skip
    return metaopt.Task(**{**standard, **fields})


def deployed(task, configuration):
    """Validations of a bound recipe in an ordinary loop on the task's batches, and its run."""
    module = task.build(SEED)
    run = metaopt.Recipe.create(configuration).bind(module, total_steps=task.num_steps)
    values = []
    split, validation = task.splits.train, task.splits.validation
    for step, rows in enumerate(batch_indices(len(split), task.batch_size, task.num_steps, seed=SEED)):
        run.optimizer.zero_grad()
        loss = task.loss(module(split.inputs[rows]), split.targets[rows])
        loss.backward()
        run.step(loss)
        if step + 1 in task.validation_steps:
            with run.evaluating(), torch.no_grad():
                values.append(float(task.loss(module(validation.inputs), validation.targets)))
            run.observe(values[-1])
    return values, run


def quietly(function, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(*arguments)


CONFIGURATIONS = [
    Configuration("adamw", "cosine", hparams={"adamw.lr": 0.01, "adamw.weight_decay": 0.1}),
    Configuration("adamw", "plateau", ("averaged",), {"adamw.lr": 0.01, "plateau.patience": 1}),
    Configuration("nadamw", "linear", hparams={"nadamw.lr": 0.01}),
    Configuration("schedulefree_adamw", "wsd", hparams={"schedulefree_adamw.lr": 0.01}),
    Configuration("prodigy", "linear"),
    Configuration("lion", "constant", ("mechanic",)),
    Configuration("sgd", "adagrad_norm"),
    Configuration("sgd", "polyak"),
    Configuration("sgd", "greedy", hparams={"sgd.lr": 0.05}),
    Configuration("sgd", "hypergradient", hparams={"sgd.lr": 0.05}),
    Configuration("adamw", "constant", ("learned_schedule",)),
    Configuration("mlp_lopt", "constant"),
]


@pytest.mark.parametrize("poison", [math.nan, 1e30])
@pytest.mark.parametrize(
    "configuration", CONFIGURATIONS, ids=lambda one: f"{one.wrappers}{one.optimizer}+{one.controller}"
)
def test_the_engine_skips_what_a_bound_recipe_skips(configuration, poison):
    task = task_of(poison)
    assembly = assemble(configuration, current_registry())
    theta = None if assembly.meta is None else assembly.meta.shipped()
    recorded = train(task, [Member(assembly, seed=SEED)], theta=theta)[0].curve
    values, run = quietly(deployed, task, configuration)
    assert run.skipped.by_guard == 7, "one batch an epoch"
    np.testing.assert_allclose(values, recorded.values, rtol=1e-3)
    assert values[-1] < values[0]


@pytest.mark.parametrize(
    "options", [{"engine": "loop"}, {"compile": "off"}, {"compile": "on"}], ids=["loop", "replayed", "compiled"]
)
def test_whoever_else_is_in_a_population_takes_every_step_of_its_own(options):
    """Members with other seeds meet the bad row at other steps."""
    task = task_of(1e30)
    configurations = [
        Configuration("adamw", "cosine"),
        Configuration("sgd", "polyak"),
        Configuration("lion", "constant"),
    ]
    members = [Member(assemble(one, current_registry()), seed) for one in configurations for seed in (SEED, 6, 7)]
    together = train(task, members, **options)
    for member, result in zip(members, together, strict=True):
        alone = train(task, [member], compile="off")[0].curve
        np.testing.assert_allclose(result.curve.values, alone.values, rtol=1e-3)
        assert np.isfinite(result.curve.values).all()


def test_one_step_is_decided_anew_as_it_is_repeated_and_compiled():
    task = task_of(math.inf, num_steps=1, num_validations=1, batch_size=64)
    member = Member(assemble(Configuration("adamw"), current_registry()), SEED)
    with torch.no_grad():
        start = float(task.loss(task.build(SEED)(task.splits.validation.inputs), task.splits.validation.targets))
    for options in ({"engine": "loop"}, {"compile": "off"}):
        assert train(task, [member], **options)[0].curve.values[0] == pytest.approx(start, rel=1e-5)


@pytest.mark.parametrize("engine", ["population", "loop"])
def test_a_member_that_only_skips_has_diverged_and_the_others_have_not(engine):
    def accuracy(output, targets):
        return (output.sign() == targets.sign()).float().mean()

    task = task_of(math.nan, num_poisoned=40, metric=accuracy, mode="max", batch_size=16)
    bad = Member(assemble(Configuration("adamw", "constant", ("averaged",)), current_registry()), SEED)
    curve = train(task, [bad], engine=engine)[0].curve
    _, run = quietly(deployed, task, Configuration("adamw", "constant", ("averaged",)))
    assert run.skipped.by_guard == STEPS
    ended = curve.steps >= MAX_SKIPS
    assert np.isfinite(curve.values[~ended]).all(), "weights that stay where they began are still weights"
    assert np.isnan(curve.values[ended]).all()
    assert curve.diverged
    assert run.observe(0.5).stop


def test_the_limit_is_what_float32_can_square():
    assert not overflows(LARGEST_NORM)
    assert math.isfinite(float(torch.tensor(LARGEST_NORM, dtype=torch.float64).square().float()))
    assert overflows(LARGEST_NORM * 1.001)
    assert overflows(math.nan)
    assert overflows(math.inf)
