"""Runs of sharded models in the ways that people train them: each is what the whole model's run is."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

import metaopt
from tests.ranks import fully_shards, on_ranks

INPUTS = torch.randn(16, 3, generator=torch.Generator().manual_seed(1))
TARGETS = INPUTS.sum(1, keepdim=True)
#: One that runs on parts, one on whole tensors, one that averages, one that looks at all gradients.
RECIPES = [("adamw", ()), ("adafactor", ()), ("adamw", ("averaged",)), ("sgd", ("clip",))]


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))


def mesh():
    return dist.device_mesh.init_device_mesh("cpu", (2,))


def fully_sharded(model, **keywords):
    from torch.distributed.fsdp import fully_shard

    fully_shard(model, mesh=mesh(), **keywords)
    return model


def bound(params, recipe, **keywords):
    optimizer, wrappers = recipe
    made = metaopt.Recipe.create(metaopt.Configuration(optimizer, wrappers=wrappers))
    return made.bind(params, total_steps=20, implementation="rule", **keywords)


def trained(model, run, num_steps=6, batches=1):
    for _ in range(num_steps):
        run.optimizer.zero_grad()
        for inputs, targets in zip(INPUTS.chunk(batches), TARGETS.chunk(batches), strict=True):
            loss = (model(inputs) - targets).square().mean() / batches
            loss.backward()
        run.step(loss.detach())
        with run.evaluating(), torch.no_grad():
            run.observe((model(INPUTS) - TARGETS).square().mean())


def weights(model):
    params = (param.detach() for param in model.parameters())
    return torch.cat([(p.full_tensor() if hasattr(p, "full_tensor") else p).flatten().float() for p in params])


def pairs(train, *arguments):
    """The weights that a way to train comes to, of a sharded and of a whole model."""
    return [(train(True, recipe, *arguments), train(False, recipe, *arguments)) for recipe in RECIPES]


def tied(shards, recipe):
    """Tied and frozen weights, and the best ones restored."""
    own = model()
    own.append(nn.Linear(1, 1, bias=False))
    own.append(nn.Linear(1, 1, bias=False))
    own[4].weight = own[3].weight
    own[2].bias.requires_grad_(False)
    own = fully_sharded(own) if shards else own
    run = bound(own, recipe)
    trained(own, run)
    run.restore_best()
    return weights(own)


def grouped(shards, recipe):
    """Groups with rates of their own, one that joins later, several batches a step."""
    own = fully_sharded(model(), reshard_after_forward=True) if shards else model()
    first, second, *others = own.parameters()
    run = bound([{"params": [first], "lr": 0.02}, {"params": [second, others[0]]}], recipe, keep_best=None)
    trained(own, run, batches=2)
    run.optimizer.add_param_group({"params": others[1:]})
    trained(own, run, batches=2)
    return weights(own)


def low_precision(shards, recipe):
    """Parameters in bfloat16."""
    own = model().bfloat16()
    own = fully_sharded(own) if shards else own
    run = bound(own, recipe)
    for _ in range(6):
        run.optimizer.zero_grad()
        loss = (own(INPUTS.bfloat16()) - TARGETS.bfloat16()).square().mean()
        loss.backward()
        run.step(loss.detach())
    return weights(own)


def all_ways(rank):
    return {way.__name__: pairs(way) for way in (tied, grouped, low_precision)}


@pytest.mark.slow
@fully_shards
def test_sharded_models_train_as_whole_ones():
    for answers in on_ranks(all_ways):
        for way, found in answers.items():
            for recipe, (sharded, whole) in zip(RECIPES, found, strict=True):
                torch.testing.assert_close(sharded, whole, rtol=1e-5, atol=1e-6, msg=f"{way} {recipe}")


def bad_batch(rank):
    """A gradient that is not a number on the second rank alone: the weights stay, and both ranks count a step."""
    own = fully_sharded(model())
    run = bound(own, ("adamw", ()))
    trained(own, run, 2)
    before = weights(own)
    (own(INPUTS) - TARGETS).square().mean().backward()
    if rank:
        own[0].weight.grad.to_local().fill_(float("nan"))
    run.step(1.0)
    return torch.equal(before, weights(own)), run.skipped.by_guard, run.num_steps


@fully_shards
@pytest.mark.filterwarnings("ignore:At step 2 the gradients:RuntimeWarning")
def test_a_bad_part_of_a_gradient_is_skipped_on_all_ranks():
    assert on_ranks(bad_batch) == [(True, 1, 3)] * 2


def default_recipe(rank):
    """What the shipped recipe makes of a model: roles, a law of rates and the weights."""
    from torch.nn.parallel import DistributedDataParallel

    answers = []
    for own in (model(), fully_sharded(model()), DistributedDataParallel(model())):
        run = metaopt.load_recipe("default").bind(own, total_steps=12, batch_size=16)
        trained(own, run, 8)
        roles = {name.removeprefix("module."): role for name, role in metaopt.roles(own).items()}
        answers.append((repr(run), roles, weights(own)))
    return answers


@fully_shards
def test_the_default_recipe_finds_the_same_roles_and_rate():
    for whole, *others in on_ranks(default_recipe):
        for repr_of_run, roles, own_weights in others:
            assert (repr_of_run, roles) == whole[:2]
            torch.testing.assert_close(own_weights, whole[2], rtol=1e-5, atol=1e-6)


def handed_over(rank):
    """A learned rule whose loss explodes: AdamW takes over with its moments; and matrices with a rule of their own."""
    trainings = []
    for shards in (False, True):
        own = fully_sharded(model()) if shards else model()
        run = metaopt.load_recipe("mlp_lopt").bind(own, total_steps=20)
        trained(own, run, 3)
        for loss in (1.0, 1e6, 1.0):
            run.optimizer.zero_grad()
            (own(INPUTS) - TARGETS).square().mean().backward()
            run.step(loss)
        assert run.optimizer.handed_over is not None
        roles = metaopt.Configuration("adamw", roles={"matrix": metaopt.Role("muon"), "head": metaopt.Role("prodigy")})
        other = model()
        other.insert(2, nn.Linear(5, 5))
        other = fully_sharded(other) if shards else other
        mixed = metaopt.Recipe.create(roles).bind(other, total_steps=20, implementation="rule")
        trained(other, mixed)
        trainings.append((weights(own), weights(other)))
    return trainings


@fully_shards
@pytest.mark.filterwarnings("ignore:The learned rule:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:Training begins at a loss:UserWarning")
def test_rules_hand_over_and_share_a_sharded_model():
    for whole, sharded in on_ranks(handed_over):
        torch.testing.assert_close(sharded, whole, rtol=1e-5, atol=1e-6)


def tensor_parallel(rank):
    """Weights after training with columns and rows of two layers on ranks, and others whole."""
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    found = []
    recipes = [*RECIPES, ("prodigy", ()), ("mlp_lopt", ()), ("sgd", ("mechanic",)), ("sgd", ("learned_schedule",))]
    for recipe in recipes:
        trainings = []
        for shards in (False, True):
            torch.manual_seed(0)
            own = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 4), nn.LayerNorm(4), nn.Linear(4, 1))
            if shards:
                line = dist.device_mesh.init_device_mesh("cpu", (2,), mesh_dim_names=("tp",))
                parallelize_module(own, line, {"0": ColwiseParallel(), "2": RowwiseParallel()})
            trained(own, bound(own, recipe))
            trainings.append(weights(own))
        found.append((recipe, *trainings))
    return found


@pytest.mark.slow
def test_tensor_parallel_models_train_as_whole_ones():
    for found in on_ranks(tensor_parallel):
        for recipe, whole, parallel in found:
            torch.testing.assert_close(parallel, whole, rtol=1e-5, atol=1e-6, msg=str(recipe))


def compiled(rank):
    """A compiled rule on parts of parameters."""
    trainings = []
    for compiles in (False, True):
        torch.manual_seed(0)
        own = fully_sharded(nn.Sequential(nn.Linear(3, 1201), nn.Tanh(), nn.Linear(1201, 1)))
        trained(own, bound(own, ("adamw", ()), compile=compiles), 4)
        trainings.append(weights(own))
    return trainings


@pytest.mark.thorough
def test_a_compiled_rule_steps_parts():
    for eager, graph in on_ranks(compiled):
        torch.testing.assert_close(graph, eager, rtol=1e-5, atol=1e-6)
