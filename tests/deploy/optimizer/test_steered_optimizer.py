"""Steering rules around a library's class: as the rule steps, to rounding, at the class's cost."""

import copy
import dataclasses
import io
import pickle

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.deploy import build_optimizer
from metaopt.deploy.optimizer.steered_optimizer import SteeredOptimizer
from metaopt.plugin.registry import current_registry
from metaopt_learned._shared import schedule_network

STEPS = 30
CLASSES = {
    "adagrad": torch.optim.Adagrad,
    "adamw": torch.optim.AdamW,
    "nadamw": torch.optim.NAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


def theta():
    """Weights whose answers depend on what is seen, and differ by kind of tensor."""
    fresh = torch.Generator().manual_seed(5)
    weights = schedule_network.init_theta({}, fresh, {"hidden_size": 6})
    return {**weights, "output.weight": 0.3 * torch.randn(weights["output.weight"].shape, generator=fresh)}


def network(dtype=torch.float32):
    torch.manual_seed(0)
    layers = nn.Conv1d(1, 2, 2), nn.Flatten(), nn.Tanh(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1)
    return nn.Sequential(*layers).to(dtype)


def create(model, name="nadamw", implementation="auto", wrappers=("learned_schedule",), **hparams):
    return metaopt.create_optimizer(
        name,
        model,
        wrappers=wrappers,
        theta=theta(),
        total_steps=STEPS,
        implementation=implementation,
        **hparams,
    )


def loss_of(model, step):
    inputs = torch.randn(16, 1, 4, generator=torch.Generator().manual_seed(step)).to(next(model.parameters()).dtype)
    return (model(inputs) - inputs.sum((1, 2))[:, None]).square().mean()


def train(model, optimizer, first=0, last=STEPS, before_step=lambda step: None):
    for step in range(first, last):
        optimizer.zero_grad()
        loss = loss_of(model, step)
        loss.backward()
        before_step(step)
        optimizer.step(loss=loss)


def values(model):
    return [param.detach().clone() for param in model.parameters()]


def wide_network():
    """In float64, where thirty steps do not yet amplify rounding; torch's NAdam has a product in float32 even so."""
    return network(torch.float64)


def assert_as_the_rule(build, model_of=wide_network, before_step=lambda model, optimizer, step: None, tolerance=1e-5):
    """Train twice, by the class and by the rule."""
    trained = []
    for implementation in ("auto", "rule"):
        model = model_of()
        optimizer = build(model, implementation)
        assert type(optimizer) is (SteeredOptimizer if implementation == "auto" else metaopt.RuleOptimizer)
        train(model, optimizer, before_step=lambda step, m=model, o=optimizer: before_step(m, o, step))
        trained.append((values(model), optimizer))
    (steered, steered_optimizer), (rule, rule_optimizer) = trained
    assert any(not torch.equal(a, b) for a, b in zip(values(model_of()), steered, strict=True))
    torch.testing.assert_close(steered, rule, rtol=tolerance, atol=tolerance)
    assert steered_optimizer.steps == rule_optimizer.steps
    shared = [optimizer.param_groups[0]["shared"] for optimizer in (steered_optimizer, rule_optimizer)]
    torch.testing.assert_close(*shared, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("no_decay", ["none", "1d"])
def test_it_steps_as_the_rule_does(name, no_decay):
    momentum = {"momentum": 0.9} if name == "sgd" else {}

    def build(model, implementation):
        groups = [{"params": model[0].parameters()}, {"params": [*model[3].parameters(), *model[5].parameters()]}]
        groups[1]["lr"] = 0.004
        optimizer = create(groups, name, implementation, lr=0.01, weight_decay=0.1, no_decay=no_decay, **momentum)
        if implementation == "auto":
            assert type(optimizer.native) is CLASSES[name]
        return optimizer

    assert_as_the_rule(build)


@pytest.mark.parametrize("wrapper", ["clip", "dog"])
def test_a_class_whose_groups_hold_none_is_steered(wrapper):
    trained = []
    for implementation in ("auto", "rule"):
        model = wide_network()
        optimizer = metaopt.create_optimizer("adafactor", model, wrappers=[wrapper], implementation=implementation)
        train(model, optimizer, 0, 5)
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(3, 2))], "eps": (None, 1e-3)})
        trained.append(values(model))
    torch.testing.assert_close(*trained, rtol=1e-5, atol=1e-5)


def test_groups_of_a_class_that_hold_none_are_taken():
    own = torch.optim.Adafactor(network().parameters())
    optimizer = metaopt.create_optimizer("adafactor", own.param_groups, eps=(None, 1e-3))
    assert optimizer.param_groups[0]["eps"] == own.param_groups[0]["eps"] == (None, 1e-3)


@pytest.mark.parametrize("name", ["adamw", "nadamw"])
def test_it_does_in_float32_to_its_rounding(name):
    assert_as_the_rule(lambda model, how: create(model, name, how, lr=0.003), network, tolerance=1e-4)


def test_what_is_steered_differs_from_what_the_groups_say():
    model = network()
    optimizer = create(model, lr=0.01)
    train(model, optimizer, 0, 3)
    rates = {group["lr"] for group in optimizer.native.param_groups}
    assert len(optimizer.native.param_groups) == len(rates) == 3  # vectors, matrices, larger
    assert optimizer.param_groups[0]["lr"] == 0.01
    assert 0.01 not in rates


def test_edits_and_schedulers_of_its_groups_count():
    def halve(model, optimizer, step):
        if step == 10:
            optimizer.param_groups[0]["lr"] *= 0.5
            optimizer.param_groups[0]["betas"] = (0.8, 0.99)

    assert_as_the_rule(lambda model, how: create(model, implementation=how, lr=0.02), before_step=halve)


def test_late_missing_and_frozen_parameters():
    def thin(model, optimizer, step):
        if step < 3 or step == 9:
            model[3].weight.grad = None

    def frozen():
        model = wide_network()
        model[0].requires_grad_(False)
        return model

    def thaw(model, optimizer, step):
        model[0].requires_grad_(step >= 7)
        thin(model, optimizer, step)

    assert_as_the_rule(lambda model, how: create(model, implementation=how), before_step=thin)
    assert_as_the_rule(lambda model, how: create(list(model.parameters()), implementation=how), frozen, thaw)


@pytest.mark.parametrize("name", ["adamw", "adagrad", "sgd"])
def test_a_group_added_late_takes_part(name):
    def build(model, implementation):
        return create([*model[0].parameters(), *model[3].parameters()], name, implementation)

    def add(model, optimizer, step):
        if step == 5:
            optimizer.add_param_group({"params": list(model[5].parameters()), "lr": 0.05})

    assert_as_the_rule(build, before_step=add)


def test_it_goes_up_where_it_is_told_to():
    model = network()
    optimizer = create(model, maximize=True, lr=1e-3)
    before = loss_of(model, 0).item()
    train(model, optimizer, 0, 10)
    assert loss_of(model, 0).item() > before


def through_a_file(document):
    buffer = io.BytesIO()
    torch.save(document, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("name", CLASSES)
def test_a_resumed_run_is_an_unbroken_one(name):
    whole = network()
    train(whole, create(whole, name), 0, 12)
    model, resumed = network(), network()
    optimizer, again = create(model, name), create(resumed, name)
    train(model, optimizer, 0, 6)
    checkpoint = through_a_file({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    train(model, optimizer, 6, 7)  # what was saved is a copy
    resumed.load_state_dict(checkpoint["model"])
    again.load_state_dict(checkpoint["optimizer"])
    assert again.steps == 6
    train(resumed, again, 6, 12)
    assert all(torch.equal(a, b) for a, b in zip(values(whole), values(resumed), strict=True))


def test_a_resumed_run_with_frozen_and_late_parameters():
    def begun():
        model = network()
        model[0].requires_grad_(False)
        return model, create(list(model.parameters()), "adagrad")

    whole, unbroken = begun()
    train(whole, unbroken, 0, 6)
    resumed, again = begun()
    resumed.load_state_dict(whole.state_dict())
    again.load_state_dict(through_a_file(unbroken.state_dict()))
    for model, optimizer in ((whole, unbroken), (resumed, again)):
        model[0].requires_grad_(True)
        train(model, optimizer, 6, 10)
    assert all(torch.equal(a, b) for a, b in zip(values(whole), values(resumed), strict=True))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.parametrize("name", ["adamw", "nadamw"])
@pytest.mark.parametrize("num_steps", [0, 3])
def test_a_model_and_its_optimizer_copied_together_train_on_as_one(name, copied, num_steps):
    model = network()
    optimizer = create(model, name)
    train(model, optimizer, 0, num_steps)
    twin, its_optimizer = copied((model, optimizer))
    train(model, optimizer, num_steps, num_steps + 3)
    train(twin, its_optimizer, num_steps, num_steps + 3)
    assert all(torch.equal(a, b) for a, b in zip(values(model), values(twin), strict=True))
    assert its_optimizer.steps == num_steps + 3


def test_a_loaded_optimizer_shares_nothing_with_the_one_it_came_from():
    model, other = network(), network()
    optimizer, loaded = create(model, "adamw"), create(other, "adamw")
    train(model, optimizer, 0, 2)
    loaded.load_state_dict(optimizer.state_dict())
    before = optimizer.native.state[model[5].weight]["exp_avg"].clone()
    train(other, loaded, 2, 3)
    assert torch.equal(optimizer.native.state[model[5].weight]["exp_avg"], before)


def test_the_state_of_a_class_that_nothing_steered_is_refused():
    model = network()
    steered = create(model, "adamw")
    with pytest.raises(metaopt.InputError, match="saved by the class of adamw and cannot continue as"):
        steered.load_state_dict(torch.optim.AdamW(model.parameters()).state_dict())


def test_a_closures_loss_is_what_is_looked_at():
    model, other = network(), network()
    by_closure, by_hand = create(model), create(other)
    for step in range(5):

        def closure(step=step):
            by_closure.zero_grad()
            loss = loss_of(model, step)
            loss.backward()
            return loss

        assert float(by_closure.step(closure).detach()) > 0
    train(other, by_hand, 0, 5)
    assert all(torch.equal(a, b) for a, b in zip(values(model), values(other), strict=True))


def test_the_loss_is_required():
    model = network()
    optimizer = create(model)
    loss_of(model, 0).backward()
    before = values(model)
    with pytest.raises(metaopt.PluginError, match="requires the training loss at every step"):
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, values(model), strict=True))


def test_a_step_that_a_grad_scaler_skips_is_none():
    def scaled(model, optimizer, bad):
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        for step in range(6):
            optimizer.zero_grad()
            loss = loss_of(model, step)
            scaler.scale(loss).backward()
            if step == bad:
                model[0].weight.grad.fill_(torch.inf)
            scaler.step(optimizer, loss=loss)
            scaler.update()

    model, rule_model = network(), network()
    optimizer, rule = create(model, lr=0.01), create(rule_model, implementation="rule", lr=0.01)
    scaled(model, optimizer, 3)
    scaled(rule_model, rule, 3)
    assert optimizer.steps == rule.steps == 5
    torch.testing.assert_close(values(model), values(rule_model), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "reason", "options", "change"),
    [
        ("adamw", r"it is wrapped in learned_schedule, averaged", {"wrappers": ["learned_schedule", "averaged"]}, None),
        ("adamw", r"a parameter is torch\.bfloat16, and AdamW would keep its state", {}, torch.bfloat16),
        ("lion", "no library's class computes the same", {}, None),
        ("schedulefree_adamw", "AdamWScheduleFree holds other weights while it trains", {}, None),
    ],
)
def test_elsewhere_the_rule_runs_and_the_class_is_refused_with_the_reason(name, reason, options, change):
    model = network(change or torch.float32)
    assert type(create(model, name, **options)) is metaopt.RuleOptimizer
    with pytest.raises(metaopt.PluginError, match=f"'{name}' cannot run as a library's class here: {reason}"):
        create(model, name, "native", **options)


def test_a_recipe_binds_it_and_its_controller_sets_what_is_steered():
    weights = []
    for implementation in ("auto", "rule"):
        model = network()
        recipe = metaopt.load_recipe("learned_schedule")
        run = recipe.bind(model, total_steps=STEPS, implementation=implementation)
        assert isinstance(run.optimizer, SteeredOptimizer) == (implementation == "auto")
        for step in range(STEPS):
            run.optimizer.zero_grad()
            loss = loss_of(model, step)
            loss.backward()
            run.step(loss)
        run.observe(1.0)
        weights.append(values(model))
    torch.testing.assert_close(*weights, rtol=1e-3, atol=1e-5)


@dataclasses.dataclass(frozen=True)
class Own(metaopt.SteeringRule):
    """Each tensor steps at lr / (1 + its last update's norm)."""

    prefix = "own."

    def own_state(self, params, hparams):
        return {"tensors": {name: {"norm": torch.zeros(())} for name in params}, "shared": {}}

    def steer(self, grads, own, params, hparams, theta, info):
        norms = {name: entries["norm"].to(torch.float64) for name, entries in own["tensors"].items()}
        return {name: {**hparams[name], "lr": hparams[name]["lr"] / (1 + norms[name])} for name in params}, own

    def moved(self, own, updates):
        norms = {
            name: {"norm": updates[name].norm().float()} if name in updates else entries
            for name, entries in own["tensors"].items()
        }
        return {"tensors": norms, "shared": {}}


def test_each_tensor_may_have_hyperparameters_of_its_own():
    spec = metaopt.WrapperSpec(name="own", version="1", summary="own rates", wrap=Own, space={})
    assembly = assemble(Configuration("adamw", hparams={"adamw.lr": 0.1}), current_registry())
    assembly = dataclasses.replace(assembly, wrappers=(spec,))

    def build(model, implementation):
        return build_optimizer(assembly, model, implementation=implementation)

    assert_as_the_rule(build)
    model = network()
    optimizer = build(model, "auto")
    train(model, optimizer, 0, 3)
    assert len({group["lr"] for group in optimizer.native.param_groups}) == len(list(model.parameters()))


def test_torchs_hooks_and_profiles_see_one_optimizer():
    model = network()
    optimizer, seen = create(model), []
    loss_of(model, 0).backward()
    handle = register_optimizer_step_pre_hook(lambda own, *_: seen.append(type(own).__name__))
    try:
        with torch.profiler.profile() as profile:
            optimizer.step(loss=1.0)
    finally:
        handle.remove()
    steps = [event.key for event in profile.key_averages() if event.key.startswith("Optimizer.step")]
    assert seen == ["SteeredOptimizer"]
    assert steps == ["Optimizer.step#SteeredOptimizer.step"]
