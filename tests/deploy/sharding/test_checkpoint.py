"""A sharded run goes on from torch's distributed checkpoints, on as many ranks or on one."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

import metaopt
from metaopt.deploy import load_checkpoint
from tests.ranks import fully_shards, on_ranks

CASES = {
    "adamw": ("adamw", "cosine", ()),
    "averaged": ("adamw", "constant", ("averaged",)),
    "prodigy": ("prodigy", "constant", ()),
    "hypergradient": ("adamw", "hypergradient", ()),
    "mlp_lopt": ("mlp_lopt", "constant", ()),
    "schedulefree": ("schedulefree_adamw", "constant", ()),
    "learned_schedule": ("sgd", "constant", ("learned_schedule",)),
}
INPUTS = torch.randn(16, 3, generator=torch.Generator().manual_seed(1))


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))


def sharded():
    from torch.distributed.fsdp import fully_shard

    whole = model()
    fully_shard(whole, mesh=dist.device_mesh.init_device_mesh("cpu", (2,)))
    return whole


def bound(model, case, implementation="auto"):
    optimizer, controller, wrappers = CASES[case]
    recipe = metaopt.Recipe.create(metaopt.Configuration(optimizer, controller, wrappers=wrappers))
    return recipe.bind(model, total_steps=20, implementation=implementation)


def trained(model, run, num_steps):
    for _ in range(num_steps):
        run.optimizer.zero_grad()
        loss = (model(INPUTS) - INPUTS.sum(1, keepdim=True)).square().mean()
        loss.backward()
        run.step(loss.detach())
        with run.evaluating(), torch.no_grad():
            value = (model(INPUTS) - INPUTS.sum(1, keepdim=True)).square().mean()
        run.observe(value)


def weights(model):
    return [
        param.full_tensor() if hasattr(param, "full_tensor") else param.detach().clone() for param in model.parameters()
    ]


def best(model, run):
    run.restore_best()
    return weights(model)


def close(one, other):
    return all(torch.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(one, other, strict=True))


def unbroken(case):
    whole = model()
    run = bound(whole, case)
    trained(whole, run, 6)
    return weights(whole), best(whole, run)


def continued(model, case, folder):
    """The weights after the second half, and the best of both halves."""
    import torch.distributed.checkpoint as checkpoints
    from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict

    present = {"model": get_model_state_dict(model)}
    checkpoints.load(present, checkpoint_id=folder)
    set_model_state_dict(model, present["model"])
    run = bound(model, case)
    load_checkpoint(run, folder)
    trained(model, run, 3)
    return weights(model), best(model, run)


def saved_and_continued(rank, case, folder):
    import torch.distributed.checkpoint as checkpoints
    from torch.distributed.checkpoint.state_dict import get_model_state_dict

    parts = sharded()
    run = bound(parts, case)
    trained(parts, run, 3)
    state = run.state_dict()
    kept = state["best_weights"]["0.weight"].to_local().shape  # a rank's own part of the best weights
    checkpoints.save({"model": get_model_state_dict(parts), "run": state}, checkpoint_id=folder)
    return [kept, *(close(*pair) for pair in zip(continued(sharded(), case, folder), unbroken(case), strict=True))]


@fully_shards
@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=() if name == "averaged" else pytest.mark.slow) for name in CASES]
)
@pytest.mark.filterwarnings("ignore:torch.distributed is:UserWarning")
def test_a_run_goes_on_from_a_distributed_checkpoint_on_two_ranks_or_one(case, tmp_path):
    folder = str(tmp_path / "checkpoint")
    first, second = on_ranks(saved_and_continued, case, folder)
    assert first == [(3, 3), True, True]
    assert second == [(2, 3), True, True]
    alone, expected = continued(model(), case, folder), unbroken(case)
    assert close(alone[0], expected[0])
    assert close(alone[1], expected[1])


def through_torchs_state_dicts(rank, case, flat, folder):
    """The second half with the optimizer's state by parameters' names, as torch's own helpers write and read it."""
    import torch.distributed.checkpoint as checkpoints
    from torch.distributed.checkpoint.state_dict import (
        StateDictOptions,
        get_optimizer_state_dict,
        set_model_state_dict,
        set_optimizer_state_dict,
    )

    options = StateDictOptions(flatten_optimizer_state_dict=flat)
    parts = sharded()
    run = bound(parts, case)
    trained(parts, run, 3)
    checkpoints.save(
        {"optimizer": get_optimizer_state_dict(parts, run.optimizer, options=options)}, checkpoint_id=folder
    )
    others = sharded()
    resumed = bound(others, case)
    before = weights(others)
    present = {"optimizer": get_optimizer_state_dict(others, resumed.optimizer, options=options)}
    trial_moves_nothing = close(before, weights(others)) and resumed.num_steps == 0
    checkpoints.load(present, checkpoint_id=folder)
    set_model_state_dict(others, parts.state_dict())
    set_optimizer_state_dict(others, resumed.optimizer, present["optimizer"], options=options)
    trained(others, resumed, 3)
    return [trial_moves_nothing, close(weights(others), unbroken(case)[0])]


@fully_shards
@pytest.mark.parametrize("flat", [False, True], ids=["nested", "flat"])
@pytest.mark.parametrize(
    "case",
    ["averaged", *(pytest.param(name, marks=pytest.mark.slow) for name in ("prodigy", "mlp_lopt", "schedulefree"))],
)
def test_torchs_helpers_carry_the_optimizers_state(case, flat, tmp_path):
    assert on_ranks(through_torchs_state_dicts, case, flat, str(tmp_path / "checkpoint")) == [[True, True]] * 2


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated:UserWarning")  # by older versions of torch
def test_what_is_no_checkpoint_of_a_run_is_refused(tmp_path):
    import torch.distributed.checkpoint as checkpoints

    run = bound(model(), "adamw")
    with pytest.raises(metaopt.InputError, match=r"There is no distributed checkpoint in '.*'; give"):
        load_checkpoint(run, tmp_path / "nowhere")
    with pytest.warns(UserWarning, match="torch.distributed is"):
        checkpoints.save({"model": model().state_dict()}, checkpoint_id=str(tmp_path / "model"))
    with pytest.raises(metaopt.InputError, match="holds nothing under 'run'; it has model"):
        load_checkpoint(run, tmp_path / "model")
