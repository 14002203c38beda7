"""Clipping beside torch's functions, and beside the adaptive clipping of pytorch_optimizer."""

import copy
import dataclasses

import pytest
import torch
from pytorch_optimizer.optimizer.agc import agc
from torch import nn

import metaopt
from metaopt.configuration import assemble
from metaopt.deploy import RuleOptimizer, gradient_guard
from metaopt.deploy.optimizer import assembly_optimizer
from metaopt.deploy.optimizer.steered_optimizer import SteeredOptimizer
from metaopt.inner import Member, train
from metaopt.plugin import current_registry


def by_norm(params, max_norm=0.05):
    torch.nn.utils.clip_grad_norm_(params, max_norm)


def by_value(params, max_value=0.01):
    torch.nn.utils.clip_grad_value_(params, max_value)


def beside_weights(params, ratio=0.05):
    for param in params:
        # pytorch_optimizer takes rows of a matrix for units, as here.
        param.grad = agc(param.detach(), param.grad, agc_clip_val=ratio)


MODES = {
    "norm": ({"clip.max_norm": 0.05}, by_norm),
    "value": ({"clip.mode": "value", "clip.max_value": 0.01}, by_value),
    "adaptive": ({"clip.mode": "adaptive", "clip.ratio": 0.05}, beside_weights),
}


def path(waves, optimizer, model, clip=None):
    """All parameters after each step, with gradients clipped by hand before it, if at all."""
    if clip is not None:
        optimizer.register_step_pre_hook(lambda *_: clip(list(model.parameters())))
    return waves.trained(optimizer, model)


@pytest.mark.parametrize("implementation", ["native", "rule"])
@pytest.mark.parametrize("mode", MODES)
def test_a_rule_steps_as_its_reference_does_after_clipping_by_hand(waves, mode, implementation):
    hparams, clip = MODES[mode]
    model, plain = waves.model(), waves.model()
    ours = metaopt.create_optimizer("sgd", model, wrappers=["clip"], lr=0.5, implementation=implementation, **hparams)
    assert type(ours) is {"native": SteeredOptimizer, "rule": RuleOptimizer}[implementation]
    theirs = torch.optim.SGD(plain.parameters(), lr=0.5)
    found = path(waves, ours, model)
    torch.testing.assert_close(found, path(waves, theirs, plain, clip), rtol=1e-9, atol=1e-12)
    unclipped = waves.model()
    free = path(waves, torch.optim.SGD(unclipped.parameters(), lr=0.5), unclipped)
    assert not torch.allclose(free[-1], found[-1], atol=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_around_fused_adamw_gradients_are_clipped_in_place_as_torch_does(mode):
    hparams, clip = MODES[mode]
    torch.manual_seed(0)
    models = [nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(27, 2))]
    models.append(copy.deepcopy(models[0]))
    ours = metaopt.create_optimizer("adamw", models[0], wrappers=["clip"], **hparams)
    theirs = torch.optim.AdamW(models[1].parameters(), lr=1e-3, fused=True)
    for _ in range(5):
        inputs = torch.randn(8, 2, 5, 5)
        for model in models:
            model.zero_grad()
            model(inputs).square().sum().backward()
        if mode == "adaptive":
            for param in models[1].parameters():
                units = param.grad.flatten(1) if param.ndim > 1 else param.grad
                weights = param.detach().flatten(1) if param.ndim > 1 else param.detach()
                param.grad = agc(weights, units, agc_clip_val=0.05).reshape(param.shape)
        else:
            clip(list(models[1].parameters()))
        ours.step()
        theirs.step()
        for our, their in zip(models[0].parameters(), models[1].parameters(), strict=True):
            torch.testing.assert_close(our.grad, their.grad)
            torch.testing.assert_close(our, their, rtol=1e-6, atol=1e-7)


def test_the_norm_is_over_all_parameters_of_all_groups():
    params = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))]
    groups = [{"params": params[:1], "lr": 1.0}, {"params": params[1:], "lr": 1.0, "clip.max_norm": 2.0}]
    for implementation in ("native", "rule"):
        optimizer = metaopt.create_optimizer("sgd", groups, wrappers=["clip"], implementation=implementation)
        for param in params:
            param.data.zero_()
            param.grad = torch.ones_like(param)
        optimizer.step()
        norm = 5**0.5
        torch.testing.assert_close(params[0].detach(), -torch.ones(2) / norm)
        torch.testing.assert_close(params[1].detach(), -torch.ones(3) * 2 / norm)


def test_short_gradients_stay_as_they_are():
    param = nn.Parameter(torch.zeros(3))
    optimizer = metaopt.create_optimizer("sgd", [param], wrappers=["clip"], lr=1.0)
    param.grad = torch.tensor([0.1, -0.2, 0.3])
    optimizer.step()
    assert torch.equal(param.grad, torch.tensor([0.1, -0.2, 0.3]))
    assert torch.equal(param.detach(), -param.grad)


@pytest.mark.parametrize("mode", MODES)
def test_a_copy_clips_too(waves, mode):
    model = waves.model()
    hparams = {**MODES[mode][0], "lr": 0.5}
    optimizer = metaopt.create_optimizer("sgd", model, wrappers=["clip"], **hparams)
    waves.trained(optimizer, model, steps=4)
    copied_optimizer, copied_model = copy.deepcopy((optimizer, model))
    expected = waves.trained(optimizer, model, steps=4)
    assert torch.equal(waves.trained(copied_optimizer, copied_model, steps=4), expected)


@pytest.mark.parametrize(("first", "second"), [("native", "rule"), ("rule", "native"), ("native", "native")])
def test_a_state_continues_in_the_class_and_in_the_rule(waves, first, second):
    hparams = {"clip.max_norm": 0.05, "lr": 0.01}
    model = waves.model()
    before = metaopt.create_optimizer("adamw", model, wrappers=["clip"], implementation=first, **hparams)
    waves.trained(before, model, steps=8)
    after = metaopt.create_optimizer("adamw", model, wrappers=["clip"], implementation=second, **hparams)
    after.load_state_dict(before.state_dict())
    found = waves.trained(after, model, steps=8)
    whole = waves.model()
    unbroken = metaopt.create_optimizer("adamw", whole, wrappers=["clip"], implementation=second, **hparams)
    torch.testing.assert_close(found[-1], waves.trained(unbroken, whole, steps=16)[-1], rtol=1e-9, atol=1e-12)


def test_a_run_reads_the_norm_of_a_step_once(monkeypatch):
    calls = []
    for module in (gradient_guard, assembly_optimizer):
        own = module.gradient_norm
        monkeypatch.setattr(module, "gradient_norm", lambda *a, own=own, **k: calls.append(1) or own(*a, **k))
    model = nn.Linear(3, 1)
    recipe = metaopt.Recipe.create(metaopt.Configuration("adamw", wrappers=("clip",)))
    for guard, expected in (("fallback", 3), ("off", 3)):
        run = recipe.bind(model, total_steps=10, guard=guard)
        calls.clear()
        for _ in range(3):
            run.optimizer.zero_grad()
            loss = 100 * model(torch.ones(4, 3)).square().mean()
            loss.backward()
            run.step(loss)
            norm = torch.stack([param.grad.norm() for param in model.parameters()]).norm()
            assert norm <= 1.0 + 1e-6
        assert len(calls) == expected


def test_the_guard_skips_what_overflows_before_it_is_clipped():
    model = nn.Linear(3, 1)
    run = metaopt.Recipe.create(metaopt.Configuration("adamw", wrappers=("clip",))).bind(model, total_steps=10)
    before = model.weight.detach().clone()
    loss = model(torch.ones(4, 3)).square().mean()
    loss.backward()
    model.weight.grad.fill_(1e30)  # finite, but its square is not
    with pytest.warns(RuntimeWarning, match="the step is skipped"):
        run.step(loss)
    assert torch.equal(model.weight, before)
    assert run.skipped.by_guard == 1


@pytest.mark.parametrize("mode", MODES)
def test_plain_lines_train_as_the_recipe_does(mode):
    hparams = {**MODES[mode][0], "adamw.lr": 0.01}
    recipe = metaopt.Recipe.create(metaopt.Configuration("adamw", wrappers=("clip",), hparams=hparams))
    namespace = {}
    exec(recipe.code(), namespace)
    torch.manual_seed(0)
    models = [nn.Linear(4, 2)]
    models.append(copy.deepcopy(models[0]))
    generator = torch.Generator().manual_seed(1)
    loader = [(torch.randn(8, 4, generator=generator), torch.randn(8, 2, generator=generator)) for _ in range(4)]
    namespace["train"](models[0], loader, nn.functional.mse_loss, lambda model: 0.0, 1)
    run = recipe.bind(models[1], total_steps=len(loader))
    for inputs, targets in loader:
        run.optimizer.zero_grad()
        loss = nn.functional.mse_loss(models[1](inputs), targets)
        loss.backward()
        run.step(loss)
    for alone, bound in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(alone, bound, rtol=1e-6, atol=1e-7)


def test_members_of_a_population_are_clipped_each_by_its_own_norm():
    settings = (("norm", "max_norm", 0.1), ("norm", "max_norm", 1.0), ("value", "max_value", 0.01))
    members = []
    for mode, key, value in settings:
        hparams = {"sgd.lr": 0.5, "clip.mode": mode, f"clip.{key}": value}
        configuration = metaopt.Configuration("sgd", wrappers=("clip",), hparams=hparams)
        members.append(Member(assemble(configuration, current_registry()), seed=0))
    short = dataclasses.replace(metaopt.load_corpus("starter")["digits_mlp"], num_steps=6, num_validations=1)
    together = [result.curve.values[-1] for result in train(short, members, engine="population")]
    alone = [result.curve.values[-1] for result in train(short, members, engine="loop")]
    assert together == pytest.approx(alone, rel=1e-4)
    assert len({round(float(value), 6) for value in together}) == 3
