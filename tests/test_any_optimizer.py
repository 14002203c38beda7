"""Any torch optimizer class: tuned beside rules, stored, loaded, bound, resumed and printed as plain code."""

import copy
import importlib.metadata
import io
import json
import re

import numpy as np
import pytest
import torch
from torch import nn

import metaopt
from metaopt.cli import main
from metaopt.plugin import Registry

try:
    VERSION = importlib.metadata.version("pytorch-optimizer")
except importlib.metadata.PackageNotFoundError:
    VERSION = "0.0"
with_library = pytest.mark.skipif(
    tuple(map(int, VERSION.split(".")[:2])) < (4, 1), reason="pytorch-optimizer 4.1 is not installed"
)
INPUTS = torch.linspace(-1, 1, 96).reshape(32, 3).sin()
TARGETS = INPUTS.sum(1, keepdim=True)


class Jittered(torch.optim.SGD):
    """Descent whose rate jitters, with a counter that its state has beside the parameters'."""

    def __init__(self, params, lr: float = 0.05, jitter: float = 0.1, tries: float = float("inf")):
        super().__init__(params, lr=lr, momentum=0.9)
        for group in self.param_groups:
            group["tries"] = tries
        self.state["count"] = 0

    @torch.no_grad()
    def step(self, closure=None):
        if all(param.grad is None for group in self.param_groups for param in group["params"]):
            raise ValueError("nothing to step on")
        self.state["count"] += 1
        super().step()
        for group in self.param_groups:
            for param in group["params"]:
                param.mul_(1 + 1e-3 / self.state["count"] * torch.rand(()))


def plugins():
    registry = Registry.discover()
    registry.register(metaopt.optimizer_spec(Jittered))
    registry.register(metaopt.optimizer_spec(torch.optim.Adamax))
    return registry


def model_of():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))


def bound(model, optimizer="jittered", controller="cosine", **keywords):
    recipe = metaopt.Recipe.create(metaopt.Configuration(optimizer, controller), registry=plugins())
    return recipe.bind(model, total_steps=40, registry=plugins(), **keywords)


def step(run, model, factor=1.0):
    run.optimizer.zero_grad()
    loss = factor * (model(INPUTS) - TARGETS).square().mean()
    loss.backward()
    run.step(loss)
    return float(loss.detach())


def values(model):
    return [param.detach().clone() for param in model.parameters()]


def equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_run_lowers_the_loss_under_a_schedule():
    model = model_of()
    run = bound(model)
    losses = [step(run, model) for _ in range(40)]
    assert type(run.optimizer) is Jittered
    assert losses[-1] < 0.2 * losses[0]
    assert run.optimizer.param_groups[0]["lr"] < 1e-3


def test_a_run_resumes_bit_for_bit_from_a_file_with_the_generator():
    model = model_of()
    run = bound(model)
    for _ in range(7):
        step(run, model)
    buffer = io.BytesIO()
    torch.save({"run": run.state_dict(), "model": model.state_dict(), "random": torch.get_rng_state()}, buffer)
    straight = [step(run, model) for _ in range(9)]
    buffer.seek(0)
    saved = torch.load(buffer, weights_only=True)
    other = model_of()
    resumed = bound(other)
    other.load_state_dict(saved["model"])
    resumed.load_state_dict(saved["run"])
    torch.set_rng_state(saved["random"])
    assert resumed.optimizer.state["count"] == 7
    assert resumed.optimizer.param_groups[0]["tries"] == float("inf")
    assert [step(resumed, other) for _ in range(9)] == straight
    assert equal(values(other), values(model))


def test_a_state_that_the_class_saved_by_itself_goes_on():
    model = model_of()
    alone = Jittered(model.parameters())
    alone.state["count"] = 5
    run = bound(model)
    run.optimizer.load_state_dict(copy.deepcopy(alone.state_dict()))
    assert run.optimizer.state["count"] == 5
    with pytest.raises(metaopt.InputError, match="was saved by the class of adamw and cannot continue as 'Jittered'"):
        run.optimizer.load_state_dict(torch.optim.AdamW(model.parameters()).state_dict())


def test_a_step_whose_gradients_overflow_is_skipped_even_by_a_class_that_fails_without_gradients():
    model = model_of()
    run = bound(model)
    step(run, model)
    before = values(model)
    with pytest.warns(RuntimeWarning, match="the step is skipped"):
        step(run, model, torch.nan)
    assert equal(values(model), before)
    assert run.skipped.by_guard == 1
    assert run.num_steps == 2
    step(run, model)
    assert not equal(values(model), before)
    assert run.optimizer.state["count"] == 2


def test_a_grad_scaler_steps_it():
    model = model_of()
    run, scaler = bound(model, "adamax"), torch.amp.GradScaler("cpu", init_scale=4.0)
    before = values(model)
    scaler.scale((model(INPUTS) - TARGETS).square().mean()).backward()
    scaler.step(run.optimizer)
    scaler.update()
    run.scheduler.step()
    assert not equal(values(model), before)
    assert run.skipped.by_guard == 0


def test_low_precision_is_the_class_s_own_business():
    model = nn.Linear(3, 1).bfloat16()
    run = bound(model, "adamax", "constant")
    model(INPUTS.bfloat16()).sum().backward()
    run.step(0.0)
    assert next(iter(run.optimizer.state.values()))["exp_avg"].dtype == torch.bfloat16


@with_library
def test_a_recipe_names_the_distribution_and_says_what_to_install(tmp_path):
    recipe = metaopt.Recipe.create(metaopt.Configuration("po_soap", "cosine"))
    recipe.save(tmp_path)
    document = json.loads((tmp_path / "recipe.json").read_text())
    version = document["plugins"]["optimizer po_soap"]
    assert document["provenance"]["distributions"]["optimizer po_soap"] == f"pytorch-optimizer {version}"
    assert metaopt.load_recipe(tmp_path) == recipe
    without = Registry.discover(restriction=["optimizers", "controllers"])
    sentence = f"optimizer po_soap came from pytorch-optimizer {version}. To have it, pip install pytorch-optimizer."
    with pytest.raises(metaopt.RecipeError, match=re.escape(sentence)):
        metaopt.load_recipe(tmp_path, registry=without)


@with_library
@pytest.mark.parametrize("name", ["po_soap", "po_muon", "po_adahessian", "po_schedulefreeadamw"])
def test_the_plain_code_of_a_recipe_is_the_class_s_construction(name, tmp_path, capsys):
    hparams = {f"{name}.weight_decay": 0.1}
    recipe = metaopt.Recipe.create(metaopt.Configuration(name, "constant", hparams=hparams))
    recipe.save(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["show", str(tmp_path), "--code"])
    assert not ended.value.code
    code, scope = capsys.readouterr().out, {}
    exec(code, scope)
    assert ("loss.backward(create_graph=True)" in code) == (name == "po_adahessian")
    plain, model = model_of(), model_of()
    optimizer = scope["make_optimizer"](plain)
    deployed = recipe_optimizer(recipe, model)
    assert isinstance(deployed, type(optimizer))
    for own, theirs in zip(deployed.param_groups, optimizer.param_groups, strict=True):
        kept = {key for key in theirs if key not in ("params", "initial_lr", "train_mode")}
        assert {key: own[key] for key in kept} == {key: theirs[key] for key in kept}


def recipe_optimizer(recipe, model):
    if "adahessian" not in recipe.name:
        return recipe.bind(model).optimizer
    with pytest.warns(UserWarning, match="differentiates the gradients once more"):
        return recipe.bind(model).optimizer


def test_code_of_a_class_that_takes_a_closure_is_refused():
    registry = Registry.discover()
    registry.register(metaopt.optimizer_spec(torch.optim.LBFGS))
    recipe = metaopt.Recipe.create(metaopt.Configuration("lbfgs"), registry=registry)
    with pytest.raises(metaopt.RecipeError, match=r"the step of torch\.optim\.LBFGS takes a closure"):
        recipe.code(registry)


def test_what_needs_a_rule_refuses_it_in_one_sentence():
    registry, sentence = plugins(), "'adamax' is a library's class without"
    with pytest.raises(metaopt.PluginError, match=f"The wrapper 'averaged' goes around a rule, and {sentence} one"):
        metaopt.Recipe.create(metaopt.Configuration("adamax", wrappers=["averaged"]), registry=registry)
    with pytest.raises(metaopt.PluginError, match=f"{sentence} a rule, and this needs a rule: choose another"):
        metaopt.configuration.assemble(metaopt.Configuration("adamax"), registry).rule  # noqa: B018
    with pytest.raises(metaopt.PluginError, match="'adamax' cannot run here: it has no rule"):
        bound(model_of(), "adamax", implementation="rule")


def test_values_that_the_class_refuses_are_refused_in_one_sentence():
    class Choosy(torch.optim.SGD):
        def __init__(self, params, lr: float = 0.1):
            if lr > 1:
                raise ValueError(f"Invalid learning rate: {lr}")
            super().__init__(params, lr=lr)

    registry = plugins()
    registry.register(metaopt.optimizer_spec(Choosy))
    recipe = metaopt.Recipe.create(metaopt.Configuration("choosy", hparams={"choosy.lr": 2.0}), registry=registry)
    with pytest.raises(metaopt.InputError, match=r"Choosy cannot be made: ValueError: Invalid learning rate: 2\.0\."):
        recipe.bind(model_of(), registry=registry)


def small_task(name, seed=0):
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(48, 3, generator=generator) for _ in range(3)]
    splits = metaopt.Splits(*(metaopt.Split(part, part.sum(1, keepdim=True)) for part in parts))
    return metaopt.Task(
        name=name,
        family="sums",
        model=model_of,
        data=splits,
        loss=nn.functional.mse_loss,
        batch_size=16,
        num_steps=30,
        num_validations=3,
    )


@pytest.mark.slow
def test_a_study_tunes_it_beside_rules_and_the_same_whatever_workers(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "import torch, metaopt\n"
        "@metaopt.hookimpl\n"
        "def metaopt_plugins():\n"
        "    return [metaopt.optimizer_spec(torch.optim.Adamax)]\n"
    )
    results = []
    for workers in (1, 2):
        registry = Registry.discover()
        registry.load_file(plugin)
        tasks = [small_task(name, seed) for seed, name in enumerate("ab")]
        choice = {"optimizers": ["adamax", "adamw"], "controllers": ["constant"], "wrappers": [], "against": []}
        results.append(metaopt.tune(tasks, n_trials=6, registry=registry, seed=1, workers=workers, **choice))
    frames = [result.evaluations_dataframe() for result in results]
    assert {"adamax", "adamw"} <= set(frames[0]["optimizer"])
    columns = ["task", "seed", "validation", "test", "configuration_key"]
    first, second = (frame[columns].sort_values(columns).reset_index(drop=True) for frame in frames)
    assert first.equals(second)
    assert results[0].recipe.configuration == results[1].recipe.configuration


def test_a_black_box_binds_it():
    seen = []

    def train(recipe, seed):
        model = model_of()
        run = recipe.bind(model, total_steps=10, registry=plugins())
        seen.append(type(run.optimizer).__name__)
        for number in range(10):
            yield number + 1, step(run, model)

    task = metaopt.BlackBoxTask(name="mine", family="mine", train=train)
    choice = {"optimizers": ["adamax"], "controllers": ["constant"], "wrappers": [], "against": []}
    result = metaopt.tune([task], n_trials=2, registry=plugins(), **choice)
    assert "Adamax" in seen
    assert np.isfinite(result.evaluations_dataframe()["validation"]).all()
