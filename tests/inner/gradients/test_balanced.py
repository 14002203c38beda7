import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import assemble
from metaopt.inner import Member, train
from metaopt.inner.gradients.balanced import is_balanced
from metaopt.plugin import current_registry

CHOICES = [("", ""), ("uncertainty", ""), ("dwa", "pcgrad"), ("", "aligned_mtl"), ("equal", "cagrad")]


def data(seed, count, target):
    inputs = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))
    cut = (slice(0, count // 2), slice(count // 2, 3 * count // 4), slice(3 * count // 4, count))
    return metaopt.Splits(*[metaopt.Split(inputs[rows], target(inputs)[rows]) for rows in cut])


def joint(stacked=False, trunk=lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh()), **heads):
    tasks = [
        metaopt.Task(
            name="number",
            family="f",
            model=lambda: nn.Linear(4, 1),
            data=data(0, 40, lambda x: x[:, :1].tanh()),
            loss=nn.functional.mse_loss,
        ),
        metaopt.Task(
            name="sign",
            family="f",
            model=lambda: nn.Linear(4, 2),
            data=data(int(stacked), 32 if stacked else 40, lambda x: (x[:, 1] > 0).long()),
            loss=nn.functional.cross_entropy,
        ),
    ]
    made = {"number": lambda: nn.Linear(6, 1), "sign": lambda: nn.Linear(6, 2), **heads}
    return metaopt.MultiTask(
        name="joint", family="f", tasks=tasks, trunk=trunk, heads=made, batch_size=8, num_steps=12, num_validations=3
    )


def members(choices=CHOICES, **hparams):
    made = [
        metaopt.Configuration("adamw", weighting=weighting, surgery=surgery, hparams={"adamw.lr": 1e-2, **hparams})
        for weighting, surgery in choices
    ]
    return [Member(assemble(one, current_registry()), seed) for one in made for seed in (0, 1)]


def curves(task, own, engine):
    return torch.tensor([trained.curve.values.tolist() for trained in train(task, own, engine=engine, compile="off")])


@pytest.mark.parametrize("stacked", [False, True])
def test_a_population_trains_as_a_loop_does_whatever_its_members_weigh_and_operate(stacked):
    task = joint(stacked)
    assert is_balanced(task, members())
    side_by_side, loop = (curves(task, members(), engine) for engine in ("population", "loop"))
    assert torch.allclose(side_by_side, loop, atol=2e-5)
    assert len({tuple(row) for row in side_by_side.tolist()}) == len(side_by_side)  # no two choices train alike


def test_a_representation_is_operated_on_in_both_engines():
    own = members([("", "pcgrad")], **{"pcgrad.level": "representation"})
    task = joint()
    side_by_side, loop = (curves(task, own, engine) for engine in ("population", "loop"))
    assert torch.allclose(side_by_side, loop, atol=2e-5)
    assert not torch.allclose(side_by_side, curves(task, members([("", "pcgrad")]), "population"), atol=1e-6)


def test_members_that_choose_nothing_train_alike_beside_others_and_alone():
    task = joint()
    plain = members(CHOICES[:1])
    assert not is_balanced(task, plain)
    assert torch.allclose(curves(task, plain, "population"), curves(task, members(), "population")[:2], atol=1e-6)


def test_a_trunk_that_vmap_cannot_take_goes_through_the_loop():
    task = joint(trunk=lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.2)))
    values = [trained.curve.values[-1] for trained in train(task, members())]
    assert all(torch.isfinite(torch.tensor(value)) for value in values)


def test_a_head_that_holds_weights_of_the_trunk_is_refused():
    layer = nn.Linear(6, 6)

    def trunk():
        return nn.Sequential(nn.Linear(4, 6), layer)

    task = joint(trunk=trunk, sign=lambda: layer)
    with pytest.raises(metaopt.InputError, match="the head 'sign' holds weights of the trunk"):
        train(task, members([("", "pcgrad")]), engine="population")


def test_classes_without_a_rule_weigh_and_operate_too():
    configuration = metaopt.Configuration("rprop", surgery="pcgrad")
    own = [Member(assemble(configuration, registry()), 0)]
    assert torch.isfinite(curves(joint(), own, "auto")).all()


def registry():
    own = metaopt.plugin.Registry()
    for spec_type, name in ((metaopt.ControllerSpec, "constant"), (metaopt.SurgerySpec, "pcgrad")):
        own.register(current_registry().get(spec_type, name))
    own.register(metaopt.optimizer_spec(torch.optim.Rprop))
    return own


def test_a_trunk_that_is_frozen_leaves_nothing_to_operate_on():
    def frozen():
        return nn.Sequential(nn.Linear(4, 6), nn.Tanh()).requires_grad_(False)

    own = members([("", "pcgrad"), ("dwa", "pcgrad")])
    side_by_side, loop = (curves(joint(trunk=frozen), own, engine) for engine in ("population", "loop"))
    assert torch.allclose(side_by_side, loop, atol=2e-5)
