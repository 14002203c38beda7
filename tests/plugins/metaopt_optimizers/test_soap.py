"""SOAP beside pytorch_optimizer's class where dimensions are merged or large; deployed, resumed, in a population."""

import copy
import dataclasses

import pytest
import pytorch_optimizer
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.inner import Member, train
from metaopt.inner.gradients.batches import batch_indices
from metaopt.plugin import current_registry
from metaopt_optimizers.soap import Soap, spec


def parameters(*shapes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype)) for shape in shapes]


def walk(optimizers, num_steps, seed=1):
    """Step optimizers over equal parameters along the same gradients."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(num_steps):
        for together in zip(*(optimizer.param_groups[0]["params"] for optimizer in optimizers), strict=True):
            grad = torch.randn(together[0].shape, generator=generator, dtype=torch.float64)
            for param in together:
                param.grad = grad.to(param.dtype)
        for optimizer in optimizers:
            optimizer.step()


@pytest.mark.parametrize(
    ("shape", "ours", "theirs"),
    [
        ((6, 2, 3, 3), {"merge_dims": True, "max_precond_dim": 20}, {"merge_dims": True, "max_precondition_dim": 20}),
        ((6, 2, 3, 3), {"max_precond_dim": 3}, {"max_precondition_dim": 3}),
        ((4, 9), {"max_precond_dim": 5}, {"max_precondition_dim": 5}),
        ((4, 9), {"max_precond_dim": 1}, {"max_precondition_dim": 1}),
        ((5,), {"precondition_1d": True}, {"precondition_1d": True}),
        ((5,), {"precondition_1d": True, "max_precond_dim": 4}, {"precondition_1d": True, "max_precondition_dim": 4}),
    ],
    ids=str,
)
def test_deployed_it_walks_the_path_of_its_reference(shape, ours, theirs):
    mine, other = parameters(shape), parameters(shape)
    reference = pytorch_optimizer.SOAP(other, **theirs)
    walk([metaopt.create_optimizer("soap", mine, **ours), reference], 100)
    torch.testing.assert_close(mine, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "limit", "sizes"),
    [
        ((64, 32, 3, 3), 2048, [2048, 9]),
        ((64, 32, 3, 3), 20000, [18432]),
        ((3, 500, 2), 100, [3, 2]),
        ((1, 1), 100, [1]),
        ((), 100, []),
    ],
    ids=str,
)
def test_dimensions_merge_up_to_the_limit(shape, limit, sizes):
    rule = Soap(max_precond_dim=limit, merge_dims=True)
    state = rule.init({"w": torch.empty(shape, device="meta")}, {}, {}, None)["tensors"]["w"]
    assert [len(value) for key, value in state.items() if key.startswith("Q")] == sizes


def test_a_vector_gets_adam_after_a_first_step_that_waits():
    mine, other = parameters((5,)), parameters((5,))
    optimizer = metaopt.create_optimizer("soap", mine, lr=1e-2, eps=1e-12, weight_decay=0.0)
    walk([optimizer], 1)
    assert torch.equal(mine[0], other[0])
    adam = torch.optim.Adam(other, lr=1e-2, betas=(0.95, 0.95), eps=1e-12)
    walk([optimizer, adam], 50, seed=2)
    torch.testing.assert_close(mine, other, rtol=0, atol=1e-8)


def test_bases_change_at_every_so_many_gradients_of_a_tensor_counted_from_its_first():
    early, late = params = parameters((4, 3), (3, 3))
    optimizer = metaopt.create_optimizer("soap", params, precondition_frequency=3)
    changed = {early: "", late: ""}
    for step in range(8):
        known = {param: optimizer.state.get(param, {}).get("Q0", torch.zeros(())) for param in params}
        early.grad = torch.randn_like(early)
        late.grad = torch.randn_like(late) if step >= 2 else None
        optimizer.step()
        for param in params:
            changed[param] += ".x"[not torch.equal(optimizer.state[param]["Q0"], known[param])]
    assert changed[early] == "x..x..x."
    assert changed[late][2:] == "x..x.."


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("at", [1, 9, 10, 11])
def test_it_resumes_bit_for_bit_wherever_in_the_period(at, dtype):
    whole, half = parameters((4, 3), (3,), dtype=dtype), parameters((4, 3), (3,), dtype=dtype)
    unbroken, before = (metaopt.create_optimizer("soap", params) for params in (whole, half))
    walk([unbroken, before], at)
    after = metaopt.create_optimizer("soap", half)
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    walk([unbroken, after], 15, seed=2)
    for param, other in zip(whole, half, strict=True):
        assert torch.equal(param, other)
        assert after.state[other]["exp_avg"].dtype == torch.float32


def test_what_is_not_finite_at_first_takes_no_other_tensor_along():
    params = parameters((3, 3), (3, 2))
    optimizer = metaopt.create_optimizer("soap", params)
    for param in params:
        param.grad = torch.ones_like(param)
    params[0].grad[0, 0] = torch.inf
    optimizer.step()
    assert torch.equal(optimizer.state[params[0]]["Q0"], torch.eye(3, dtype=torch.float64).flip(1))
    walk([optimizer], 12)
    assert torch.isfinite(params[1]).all()


def test_groups_share_what_decides_the_shapes_and_have_their_own_period():
    groups = [{"params": parameters((4, 3))}, {"params": parameters((4, 3)), "precondition_frequency": 1}]
    optimizer = metaopt.create_optimizer("soap", groups)
    assert [group["precondition_frequency"] for group in optimizer.param_groups] == [10, 1]
    with pytest.raises(metaopt.InputError, match=r"soap\.merge_dims is the same for all param groups, False, got True"):
        metaopt.create_optimizer("soap", [groups[0], {"params": parameters((2, 2)), "merge_dims": True}])


@pytest.fixture
def digits():
    """A task in float64 whose matrices have, with bases up to 10, gradients of full rank but for one direction."""
    known = metaopt.load_corpus("starter")["digits_mlp"]
    parts = (known.splits.train, known.splits.validation, known.splits.test)
    return dataclasses.replace(
        known,
        model=lambda: nn.Sequential(nn.Linear(64, 10), nn.Tanh(), nn.Linear(10, 10)).double(),
        data=metaopt.Splits(*(metaopt.Split(part.inputs.double(), part.targets) for part in parts)),
        loss=F.cross_entropy,
        batch_size=64,
        num_steps=40,
        num_validations=4,
    )


@pytest.mark.parametrize("engine", ["population", "loop"])
@pytest.mark.parametrize("wrappers", [(), ("averaged",)], ids=["bare", "averaged"])
def test_in_a_population_it_trains_as_deployed(digits, engine, wrappers):
    periods = (3, 10, 7)
    configurations = [
        Configuration(
            "soap",
            "constant",
            wrappers,
            {"soap.lr": 1e-2, "soap.max_precond_dim": 10, "soap.precondition_frequency": period},
        )
        for period in periods
    ]
    members = [Member(assemble(each, current_registry()), seed) for seed, each in enumerate(configurations)]
    trained = train(digits, members, engine=engine)
    for seed, configuration in enumerate(configurations):
        assert trained[seed].curve.values.tolist() == pytest.approx(deployed(digits, configuration, seed), rel=1e-6)
        assert trained[seed].curve.values[-1] < trained[seed].curve.values[0]


def deployed(task, configuration, seed):
    """Validation values of an ordinary loop."""
    run = metaopt.Recipe.create(configuration).bind(model := task.build(seed), total_steps=task.num_steps)
    splits, values = task.splits, []
    for step, rows in enumerate(batch_indices(len(splits.train), task.batch_size, task.num_steps, seed), start=1):
        run.optimizer.zero_grad()
        loss = task.loss(model(splits.train.inputs[rows]), splits.train.targets[rows])
        loss.backward()
        run.step(loss)
        if step in task.validation_steps:
            with run.evaluating(), torch.no_grad():
                values.append(float(task.measure(model(splits.validation.inputs), splits.validation.targets)))
    return values


def test_it_serves_hidden_matrices_beside_another_optimizer():
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    optimizer = metaopt.create_optimizer("adamw", model, roles={"matrix": metaopt.Role("soap")})
    for param in model.parameters():
        param.grad = torch.ones_like(param)
    optimizer.step()
    assert "Q0" in optimizer.state[model[2].weight]
    assert "Q0" not in optimizer.state[model[2].bias]


def test_searches_do_not_propose_it_unasked():
    assert not spec.proposed
