"""RuleOptimizer under what people put around an optimizer: torch's schedulers, clipping, mixed precision."""

import warnings

import pytest
import torch
from torch import Tensor, nn

import metaopt


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def loss_of(model: nn.Module, step: int = 0) -> Tensor:
    inputs = torch.randn(16, 3, generator=torch.Generator().manual_seed(step))
    return (model(inputs) - inputs.sum(1, keepdim=True)).pow(2).mean()


def pair(**settings):
    """torch's AdamW and the rule's, on the same network."""
    theirs, ours = network(), network()
    yield theirs, torch.optim.AdamW(theirs.parameters(), **settings)
    yield ours, metaopt.RuleOptimizer(ours, "adamw", **settings)


SCHEDULERS = {
    "OneCycleLR": lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=20),
    "CosineAnnealingLR": lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20),
    "CyclicLR": lambda optimizer: torch.optim.lr_scheduler.CyclicLR(optimizer, 1e-4, 1e-2, step_size_up=5),
    "LambdaLR": lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_torchs_schedulers_drive_it_as_they_drive_adamw(name):
    trained = []
    for model, optimizer in pair(lr=1e-3):
        scheduler = SCHEDULERS[name](optimizer)
        for step in range(15):
            optimizer.zero_grad()
            loss_of(model, step).backward()
            optimizer.step()
            scheduler.step()
        trained.append([param.detach() for param in model.parameters()])
        group = optimizer.param_groups[0]
    torch.testing.assert_close(*trained, rtol=1e-5, atol=1e-6)
    if name == "OneCycleLR":
        assert group["betas"][0] != 0.9


def test_a_plateau_scheduler_lowers_its_rate():
    optimizer = metaopt.RuleOptimizer(network(), "sgd", lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    for _ in range(3):
        scheduler.step(1.0)
    assert optimizer.param_groups[0]["lr"] < 0.1


def test_clipped_gradients_are_what_it_sees():
    trained = []
    for model, optimizer in pair(lr=0.01):
        for step in range(5):
            optimizer.zero_grad()
            loss_of(model, step).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
        trained.append([param.detach() for param in model.parameters()])
    torch.testing.assert_close(*trained, rtol=1e-5, atol=1e-6)


def scaled_training(model, optimizer, scaler, poisoned: set[int]) -> None:
    for step in range(6):
        optimizer.zero_grad()
        scaler.scale(loss_of(model, step)).backward()
        if step in poisoned:
            model[0].weight.grad[0, 0] = float("inf")
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()


@pytest.mark.parametrize("poisoned", [set(), {0, 3}])
def test_steps_that_a_grad_scaler_skips_do_not_count(poisoned):
    trained = []
    for model, optimizer in pair(lr=0.01):
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
        scaled_training(model, optimizer, scaler, poisoned)
        trained.append([param.detach() for param in model.parameters()])
    torch.testing.assert_close(*trained, rtol=1e-5, atol=1e-6)
    assert optimizer.steps == 6 - len(poisoned)


def test_it_follows_torchs_adamw_over_a_hundred_steps():
    trained = []
    for model, optimizer in pair(lr=0.01, weight_decay=0.1, betas=(0.8, 0.95)):
        for step in range(100):
            optimizer.zero_grad()
            loss_of(model, step).backward()
            optimizer.step()
        trained.append([param.detach() for param in model.parameters()])
    torch.testing.assert_close(*trained, rtol=0, atol=2e-6)


def test_swa_utils_average_its_model():
    model = network()
    optimizer = metaopt.RuleOptimizer(model, "sgd", lr=0.1)
    averaged = torch.optim.swa_utils.AveragedModel(model)
    loss_of(model).backward()
    optimizer.step()
    averaged.update_parameters(model)
    torch.testing.assert_close(averaged.module[0].weight, model[0].weight)


def test_no_warning_escapes_from_an_ordinary_loop():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model, optimizer in pair(lr=1e-3):
            loss_of(model).backward()
            optimizer.step()
            repr(optimizer)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_on_cuda_it_follows_the_cpu(implementation):
    trained = []
    for device in ("cpu", "cuda"):
        model = network().to(device)
        optimizer = metaopt.create_optimizer("adamw", model, lr=0.01, implementation=implementation)
        for step in range(10):
            optimizer.zero_grad()
            inputs = torch.randn(16, 3, generator=torch.Generator().manual_seed(step)).to(device)
            model(inputs).pow(2).mean().backward()
            optimizer.step()
        trained.append([param.detach().cpu() for param in model.parameters()])
    torch.testing.assert_close(*trained, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda_the_compiled_rule_follows_the_eager_one():
    trained = []
    for compile in (False, True):
        model = network().to("cuda")
        optimizer = metaopt.RuleOptimizer(model, "adamw", lr=0.01, compile=compile)
        for step in range(5):
            optimizer.zero_grad()
            model(torch.randn(16, 3, generator=torch.Generator().manual_seed(step)).to("cuda")).pow(2).mean().backward()
            optimizer.step()
        trained.append([param.detach().cpu() for param in model.parameters()])
    torch.testing.assert_close(*trained, rtol=1e-4, atol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "wrappers"), [("adamw", ["clip"]), ("sgd", ["learned_schedule"]), ("prodigy", [])], ids=str
)
@pytest.mark.filterwarnings("ignore")
def test_a_step_that_somebody_compiles_is_the_same_step(name, wrappers):
    trained = []
    for compiles in (False, True):
        model = network()
        optimizer = metaopt.create_optimizer(name, model, wrappers=wrappers, total_steps=10)
        step = torch.compile(optimizer.step) if compiles else optimizer.step
        for number in range(3):
            optimizer.zero_grad()
            loss_of(model, number).backward()
            step(loss=1.0) if wrappers == ["learned_schedule"] else step()
        trained.append(torch.cat([param.detach().flatten() for param in model.parameters()]))
    torch.testing.assert_close(*trained)
    assert not torch.equal(trained[0], torch.cat([param.detach().flatten() for param in network().parameters()]))
