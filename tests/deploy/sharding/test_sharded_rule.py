"""Every plugin steps parameters of which each rank holds a part as it steps whole ones."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.deploy import build_optimizer
from metaopt.plugin import ControllerSpec, OptimizerSpec, WrapperSpec, current_registry
from metaopt.testing.rules.subject import HORIZON, Subject
from metaopt.testing.samples import gradients
from metaopt_pytorch_optimizer import plugin_name
from metaopt_pytorch_optimizer.needs import SHARDED
from tests.ranks import fully_shards, on_ranks

STEPS = 8
RULES = [spec.name for spec in current_registry().specs(OptimizerSpec) if spec.rule is not None]
WRAPPERS = [spec.name for spec in current_registry().specs(WrapperSpec)]
CONTROLLERS = [spec.name for spec in current_registry().specs(ControllerSpec)]
#: A rule of each granularity, and one whose class gives way to it; the others take a minute more.
QUICK = {"adamw", "adafactor", "prodigy", "celo", "mechanic", "clip", "hypergradient"}


def named(names):
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names]


def subject(optimizer, wrapper=None):
    known = current_registry()
    return Subject(known.get(OptimizerSpec, optimizer), (known.get(WrapperSpec, wrapper),) if wrapper else ())


def stepped(subject, implementation, place, values):
    """The parameters after some steps, where `place` lays each of them, and its gradients, on ranks."""
    params = subject.parameters()
    theta = subject.theta(params) or None
    precise = {f"{subject.optimizer.name}.{key}": value for key, value in subject.optimizer.precise.items()}
    assembly = subject.assemble({**precise, **values})
    members = [(name, nn.Parameter(place(param))) for name, param in params.items()]
    optimizer = build_optimizer(assembly, members, implementation=implementation, theta=theta, horizon=HORIZON)
    for step, grads in enumerate(gradients(params, STEPS)):
        for name, param in members:
            # A tensor without a gradient now and then.
            param.grad = None if step % 3 == 1 and name in ("vector", "wide") else place(0.1 * grads[name])
        optimizer.step(loss=1.0 + 0.1 * step) if hasattr(optimizer, "assembly") else optimizer.step()
    return {name: whole(param) for name, param in members}


def whole(param):
    return param.detach().full_tensor() if hasattr(param, "full_tensor") else param.detach()


def rows(mesh):
    """Rows on ranks, unevenly or all on one where there are few; numbers without dimensions on both."""
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    return lambda tensor: distribute_tensor(tensor, mesh, [Shard(0) if tensor.ndim else Replicate()])


def columns(mesh):
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    return lambda tensor: distribute_tensor(tensor, mesh, [Shard(1) if tensor.ndim > 1 else Replicate()])


def farthest_sharded(rank, optimizer, wrapper, implementation, values):
    """How far parameters come to lie from where whole ones do, over both ways to share them."""
    mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (2,))
    own = subject(optimizer, wrapper)
    expected = stepped(own, implementation, lambda tensor: tensor.clone(), values)
    start, farthest = own.parameters(), 0.0
    assert any(not torch.equal(start[name], value) for name, value in expected.items())
    for place in (rows(mesh), columns(mesh)):
        got = stepped(own, "rule" if implementation == "rule" else "auto", place, values)
        farthest = max([farthest, *(distance(got[name], expected[name]) for name in expected)])
    return farthest


def distance(one, other):
    return float(((one - other).abs() / (1 + other.abs())).max()) if one.numel() else 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", named(RULES))
def test_rules_step_parts_as_whole_tensors(name):
    assert max(on_ranks(farthest_sharded, name, None, "rule", {})) <= 1e-5


@pytest.mark.parametrize("name", named([name for name in RULES if subject(name).optimizer.native is not None]))
def test_classes_step_parts_as_whole_tensors_or_give_way_to_the_rule(name):
    assert max(on_ranks(farthest_sharded, name, None, "auto", {})) <= 1e-5


@pytest.mark.parametrize("name", named(WRAPPERS))
def test_wrappers_step_parts_as_whole_tensors(name):
    first = {f"{name}.initial": 0.1} if "initial" in current_registry().get(WrapperSpec, name).space else {}
    assert max(on_ranks(farthest_sharded, "sgd", name, "auto", first)) <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["value", "adaptive"])
def test_clipping_looks_at_whole_tensors(mode):
    assert max(on_ranks(farthest_sharded, "adamw", "clip", "auto", {"clip.mode": mode})) <= 1e-5


def model(width):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(width, width + 2), nn.Tanh(), nn.Linear(width + 2, 1))


def trained(model, controller, optimizer="adamw", wrappers=()):
    """Losses at training and validation, and the weights at the end."""
    recipe = metaopt.Recipe.create(metaopt.Configuration(optimizer, controller, wrappers=wrappers))
    run = recipe.bind(model, total_steps=10)
    inputs = torch.randn(16, model[0].in_features, generator=torch.Generator().manual_seed(1))
    values = []
    for _ in range(10):
        run.optimizer.zero_grad()
        loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
        loss.backward()
        run.step(loss)
        with run.evaluating(), torch.no_grad():
            values.append((model(inputs) - inputs.sum(1, keepdim=True)).square().mean())
        run.observe(values[-1])
        values.append(loss.detach())
    return torch.stack(values), [whole(param) for param in model.parameters()]


def farthest_in_training(rank, *recipe):
    from torch.distributed.fsdp import fully_shard

    farthest = 0.0
    mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (2,))
    for width in (4, 3):  # even parts, and uneven ones; the last bias is on one rank alone
        values, weights = trained(model(width), *recipe)
        sharded = model(width)
        fully_shard(sharded[2], mesh=mesh)
        fully_shard(sharded, mesh=mesh)
        other_values, other_weights = trained(sharded, *recipe)
        pairs = [(values, other_values), *zip(weights, other_weights, strict=True)]
        farthest = max([farthest, *(distance(one, other) for one, other in pairs)])
    return farthest


@fully_shards
@pytest.mark.parametrize("name", named(CONTROLLERS))
def test_controllers_see_whole_gradients(name):
    assert max(on_ranks(farthest_in_training, name)) <= 1e-5


@fully_shards
@pytest.mark.slow
@pytest.mark.parametrize("name", ["prodigy", "schedulefree_adamw", "adafactor", "mlp_lopt"])
def test_optimizers_train_fully_sharded_models(name):
    assert max(on_ranks(farthest_in_training, "constant", name)) <= 1e-5


@fully_shards
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SHARDED))
@pytest.mark.filterwarnings("ignore")
def test_classes_that_say_so_train_fully_sharded_models(name):
    assert max(on_ranks(farthest_in_training, "constant", plugin_name(name))) <= 1e-5
