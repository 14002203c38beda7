"""A checkpoint continues under another wrapper: DDP, a compiled model, either around the other, or none."""

import io

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import metaopt
from metaopt import Configuration
from tests.ranks import on_ranks

ROLES = {"matrix": {"optimizer": "sgd"}, "input": {"rate": 0.25}}
RECIPE = Configuration("adamw", "hypergradient", roles=ROLES, hparams={"adamw.lr": 0.01, "sgd.lr": 0.1})


def compiled(model):
    return torch.compile(model, backend="eager")


WRAPPERS = {
    "plain": lambda model: model,
    "DDP": DistributedDataParallel,
    "DDP(compiled)": lambda model: DistributedDataParallel(compiled(model)),
    "compiled(DDP)": lambda model: compiled(DistributedDataParallel(model)),
}


def bound(wrapper, start=None):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
    if start is not None:
        model.load_state_dict(start)
    model = WRAPPERS[wrapper](model)
    return model, metaopt.Recipe.create(RECIPE).bind(model, total_steps=12, roles={"2.*": "input"})


def train(model, run, first, last):
    for step in range(first, last):
        inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        run.optimizer.zero_grad()
        loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
        loss.backward()
        run.step(loss)
        run.observe(step - 2.0)
    return torch.cat([param.detach().flatten() for param in model.parameters()])


def saved_and_loaded(rank):
    states, unbroken, rest, groups = {}, {}, {}, {}
    for wrapper in WRAPPERS:
        model, run = bound(wrapper)
        groups[wrapper] = [(group["role"], len(group["params"])) for group in run.optimizer.param_groups]
        train(model, run, 0, 4)
        file = io.BytesIO()
        torch.save(run.state_dict(), file)
        bare = {
            name.replace("module.", "").replace("_orig_mod.", ""): weights
            for name, weights in model.state_dict().items()
        }
        states[wrapper] = file.getvalue(), {name: weights.clone() for name, weights in bare.items()}
        unbroken[wrapper] = train(model, run, 4, 8)
    for wrapper, (state, weights) in states.items():
        for other in WRAPPERS:
            model, run = bound(other, weights)
            run.load_state_dict(torch.load(io.BytesIO(state), weights_only=True))
            rest[wrapper, other] = train(model, run, 4, 8)
            run.restore_best()
            best = torch.cat([param.detach().flatten() for param in model.parameters()])
            rest[wrapper, other, "best"] = best
    return unbroken, rest, groups


@pytest.mark.slow
def test_every_wrapper_continues_what_every_other_saved():
    unbroken, rest, groups = on_ranks(saved_and_loaded)[0]
    assert groups["DDP"] == groups["DDP(compiled)"] == groups["compiled(DDP)"] == groups["plain"]
    assert groups["plain"][0] == ("input", 2)
    expected = unbroken["plain"]
    assert [wrapper for wrapper in WRAPPERS if not torch.equal(unbroken[wrapper], expected)] == []
    assert [key for key, end in rest.items() if len(key) == 2 and not torch.equal(end, expected)] == []
    best = [end for key, end in rest.items() if len(key) == 3]
    assert all(torch.equal(end, best[0]) for end in best)
