"""Under a `GradScaler` every kind of run trains as without, and a step that it skips is as if it had not been."""

import pytest
import torch

from metaopt import Configuration
from metaopt.recipe import Recipe
from tests.integrations.tiny import KINDS, loaders, loss_of, network, recipe_of, validate

SKIPPED = 2  # the third batch's scaled gradients overflow


def by_run(run, scaler, loss):
    run.step(loss, scaler=scaler)


def by_the_lines_of_torchs_documentation(run, scaler, loss):
    run.record_loss(loss)
    scaler.step(run.optimizer)
    scaler.update()
    run.scheduler.step()


def by_unscaling_first(run, scaler, loss):
    scaler.unscale_(run.optimizer)
    by_run(run, scaler, loss)


HOSTS = [by_run, by_the_lines_of_torchs_documentation, by_unscaling_first]


def train(recipe, take_step=None, **bind):
    """Six batches; without a host those alone that the scaler does not skip."""
    net, (train, validation) = network(), loaders()
    run = recipe.bind(net, total_steps=18, **bind)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for index, batch in enumerate(train):
        run.optimizer.zero_grad()
        loss = loss_of(net, batch)
        if take_step is None:
            if index != SKIPPED:
                loss.backward()
                run.step(loss)
            continue
        scaler.scale(loss).backward()
        if index == SKIPPED:
            net[0].weight.grad[0, 0] = torch.inf
        take_step(run, scaler, loss)
    validate(run, net, validation)
    return net, run, scaler


def check(recipe, bind, rtol=1e-6):
    expected, plain, _ = train(recipe, **bind)
    for take_step in HOSTS:
        net, run, scaler = train(recipe, take_step, **bind)
        assert run.num_steps == run.scheduler.last_epoch == plain.num_steps == 5
        assert run.scheduler.get_last_lr() == pytest.approx(plain.scheduler.get_last_lr(), rel=rtol)
        assert run.best_value == pytest.approx(plain.best_value, rel=rtol)
        assert scaler.get_scale() == 512.0
        assert run.skipped.by_guard == 0
        for name, value in expected.state_dict().items():
            torch.testing.assert_close(net.state_dict()[name], value, rtol=rtol, atol=1e-7)


@pytest.mark.parametrize("guard", ["fallback", "off"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains_as_without_a_scaler_and_without_the_batch_that_it_skips(kind, guard):
    check(recipe_of(kind), {**KINDS[kind][1], "guard": guard})


@pytest.mark.parametrize(
    "configuration",
    [
        Configuration("sgd", "cosine", hparams={"sgd.momentum": 0.9, "sgd.lr": 0.05}),
        Configuration("adagrad", "adagrad_norm"),
        Configuration("adamw", "constant", wrappers=("hyper_controller",)),
        Configuration("adamw", "wsd", wrappers=("clip",)),
        Configuration("adamw", "wsd", wrappers=("lookahead",)),
        Configuration("adamw", "constant", wrappers=("cautious",)),
        Configuration("sgd", "constant", wrappers=("dog",)),
        Configuration("sgd", "constant", wrappers=("mechanic",)),
        Configuration("prodigy", "cosine"),
        Configuration("adamw", "plateau", warmup=0.3),
    ],
    ids=lambda configuration: "-".join([configuration.optimizer, *configuration.wrappers, configuration.controller]),
)
def test_fused_classes_wrappers_and_warm_ups_do_not_advance_either(configuration):
    check(Recipe.create(configuration), {})
