"""Groups that join later get what their roles have, behind one class too."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

import metaopt


def optimizer_of(name="adamw", **fields):
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 1))
    roles = {"matrix": {"rate": 0.5}, "head": {"rate": 2.0, "weight_decay": 0.25}}
    return metaopt.create_optimizer(name, model, lr=0.1, roles=roles, **fields)


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_a_group_gets_the_rate_and_the_decay_of_its_role(implementation):
    optimizer = optimizer_of(implementation=implementation)
    before = len(optimizer.param_groups)
    matrix, vector, head = (nn.Parameter(torch.ones(shape)) for shape in ((2, 2), (2,), (2, 2)))
    optimizer.add_param_group({"params": [matrix, vector]})
    optimizer.add_param_group({"params": [head], "role": "head"})
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2, 2))], "lr": 0.7, "betas": (0.5, 0.9)})
    added = optimizer.param_groups[before:]
    assert [(group["role"], group["lr"]) for group in added] == [
        ("matrix", 0.05),
        ("rest", 0.1),
        ("head", 0.2),
        ("matrix", 0.7),
    ]
    assert [group["weight_decay"] for group in added] == [0.01, 0.01, 0.25, 0.01]
    assert added[-1]["betas"] == (0.5, 0.9)
    for param in (matrix, vector, head):
        param.grad = torch.ones_like(param)
    optimizer.step()
    assert float(head.detach().max()) == pytest.approx(1 - 0.2 * 0.25 - 0.2, rel=1e-4)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    assert scheduler.get_last_lr()[before:] == pytest.approx([0.025, 0.05, 0.1, 0.35])


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_a_group_gets_the_rates_of_its_fan_ins(implementation):
    model = nn.Sequential(nn.Linear(16, 4), nn.Linear(4, 4), nn.Linear(4, 1))
    roles = {"input": {"fan_in": 8}}
    optimizer = metaopt.create_optimizer("adamw", model, lr=0.1, roles=roles, implementation=implementation)
    before = len(optimizer.param_groups)
    params = [nn.Parameter(torch.ones(2, width)) for width in (4, 80)]
    optimizer.add_param_group({"params": params, "role": "input"})
    assert [group["lr"] for group in optimizer.param_groups[before:]] == pytest.approx([0.1, 0.01])


def test_a_class_that_makes_state_at_once_has_it_for_groups_that_join():
    optimizer = optimizer_of("adagrad", implementation="native", initial_accumulator_value=0.5)
    matrix = nn.Parameter(torch.ones(2, 2))
    optimizer.add_param_group({"params": [matrix]})
    matrix.grad = torch.ones_like(matrix)
    optimizer.step()
    assert float(optimizer.state[matrix]["sum"].max()) == 1.5


def test_a_role_that_is_none_and_a_parameter_that_is_there_are_refused():
    optimizer = optimizer_of()
    count = len(optimizer.param_groups)
    with pytest.raises(metaopt.InputError, match="A param group's role: A role is one of"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))], "role": "tail"})
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [optimizer.param_groups[0]["params"][0]]})
    assert len(optimizer.param_groups) == count


@pytest.mark.parametrize("settings", [{}, {"implementation": "rule"}, {"roles": {"matrix": {"optimizer": "sgd"}}}])
def test_a_parameter_of_the_model_that_was_frozen_has_its_own_role_and_layer(settings):
    model = nn.Sequential(nn.Embedding(8, 4), nn.Linear(4, 4), nn.Linear(4, 1))
    roles = {"embedding": {"rate": 0.5}, **settings.pop("roles", {"matrix": {"rate": 3.0}})}
    expected = metaopt.create_optimizer("adamw", model, lr=0.1, roles=roles, depth_decay=0.5, **settings).param_groups
    model[0].weight.requires_grad_(False)
    configuration = metaopt.Configuration("adamw", hparams={"adamw.lr": 0.1}, roles=roles, depth_decay=0.5)
    run = metaopt.Recipe.create(configuration).bind(model, implementation=settings.get("implementation", "auto"))
    model[0].weight.requires_grad_(True)
    run.optimizer.add_param_group({"params": [model[0].weight]})
    added = run.optimizer.param_groups[-1]
    assert added["role"] == "embedding"
    assert added["lr"] == pytest.approx(next(group["lr"] for group in expected if group["role"] == "embedding"))


@pytest.mark.parametrize("name", ["po_muon", "po_adamuon", "po_adago"])
def test_a_class_is_told_which_of_the_groups_that_join_hold_matrices(name):
    pytest.importorskip("pytorch_optimizer")
    optimizer = metaopt.create_optimizer(name, nn.Linear(3, 4))
    before = len(optimizer.param_groups)
    matrix, vector = nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(2))
    optimizer.add_param_group({"params": [matrix, vector], "lr": 0.5})
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(3, 2))], "use_muon": False})
    added = optimizer.param_groups[before:]
    assert [(group["use_muon"], group["params"][0].ndim) for group in added] == [(True, 2), (False, 1), (False, 2)]
    assert [group["lr"] for group in added[:2]] == [0.5, 0.5]
    for param in (matrix, vector):
        param.grad = torch.ones_like(param)
    optimizer.step()
    assert not torch.equal(matrix, torch.ones(3, 2))
    assert not torch.equal(vector, torch.ones(2))


SPARING = {"native": {}, "rule": {}, "matrices by another": {"roles": {"matrix": {"optimizer": "sgd"}}}, "steered": {}}


@pytest.mark.parametrize("case", SPARING)
def test_vectors_that_join_are_spared_decay_as_the_first_are_unless_they_state_one(case):
    settings = {"implementation": case} if case in ("native", "rule") else SPARING[case]
    if case == "steered":
        settings = {"wrappers": ["dog"]}
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 1))
    optimizer = metaopt.create_optimizer("adamw", model, no_decay="1d", weight_decay=0.5, **settings)
    before = len(optimizer.param_groups)
    optimizer.add_param_group({"params": list(nn.Linear(3, 2).parameters())})
    optimizer.add_param_group({"params": list(nn.Linear(3, 2).parameters()), "weight_decay": 0.25})
    decays = {
        (param.ndim, group["weight_decay"]) for group in optimizer.param_groups[before:] for param in group["params"]
    }
    of_matrices = 0.0 if "roles" in settings else 0.5
    assert decays == {(2, of_matrices), (1, 0.0), (2, 0.25), (1, 0.25)}
    for param in (param for group in optimizer.param_groups for param in group["params"]):
        param.grad = torch.zeros_like(param)
    optimizer.step()


def copies(optimizer):
    buffer = io.BytesIO()
    torch.save(optimizer, buffer)
    buffer.seek(0)
    saved = torch.load(buffer, weights_only=False)
    return {"deepcopy": copy.deepcopy(optimizer), "pickle": pickle.loads(pickle.dumps(optimizer)), "save": saved}


@pytest.mark.parametrize("kind", ["deepcopy", "pickle", "save"])
@pytest.mark.parametrize(
    "settings", [{"implementation": "native"}, {"implementation": "rule"}, {"roles": {"matrix": {"optimizer": "sgd"}}}]
)
def test_groups_that_join_a_copy_get_what_their_roles_have(settings, kind):
    roles = settings.get("roles", {"matrix": {"rate": 0.5}})
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 1))
    optimizer = metaopt.create_optimizer("adamw", model, lr=0.1, no_decay="1d", **{**settings, "roles": roles})
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    copied = copies(copies(optimizer)[kind])[kind]
    assert type(copied) is type(optimizer)
    group = {"params": [nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))]}
    for own in (optimizer, copied):
        own.add_param_group({**group, "params": [param.clone().detach() for param in group["params"]]})
    shown = [
        [(group["role"], group["lr"], group["weight_decay"]) for group in own.param_groups]
        for own in (optimizer, copied)
    ]
    assert shown[0] == shown[1]
    for own in (optimizer, copied):
        for param in (param for group in own.param_groups for param in group["params"]):
            param.grad = torch.ones_like(param)
        own.step()
    pairs = [[param for group in own.param_groups for param in group["params"]] for own in (optimizer, copied)]
    assert all(torch.equal(*pair) for pair in zip(*pairs, strict=True))
