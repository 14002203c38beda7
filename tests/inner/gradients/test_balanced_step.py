import torch
from torch import nn

import metaopt
from metaopt.inner.gradients.balanced_step import BalancedStep
from metaopt.inner.gradients.vmapped import Constants, VmappedTask
from metaopt.multitask import Balance, ModuleBalance
from metaopt_multitask import pcgrad


def task():
    inputs = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
    targets = {"sum": inputs.sum(1, keepdim=True), "first": -inputs[:, :1]}
    tasks = [
        metaopt.Task(
            name=name,
            family="f",
            model=lambda: nn.Linear(3, 1),
            data=metaopt.Splits(*[metaopt.Split(inputs, own)] * 3),
            loss=nn.functional.mse_loss,
        )
        for name, own in targets.items()
    ]
    return metaopt.MultiTask(
        name="joint", family="f", tasks=tasks, trunk=lambda: nn.Linear(3, 4), heads=lambda: nn.Linear(4, 1)
    )


def test_its_gradients_are_those_of_a_module_in_training():
    joint = task()
    modules = [joint.build(seed) for seed in range(3)]
    vmapped = VmappedTask(joint, modules[0])
    step = BalancedStep.of(vmapped, vmapped.module, joint.losses, joint.name)
    flats = vmapped.layout.stack([dict(module.named_parameters()) for module in modules])
    train, balance = joint.splits.train, Balance(mix=pcgrad.mix)
    numbers = {"step": torch.tensor(1.0), "horizon": torch.tensor(9.0)}
    hparams = {"weighting": {}, "surgery": {}}
    constants = Constants.of(modules)
    grads, losses, _ = step(
        flats, constants.values, train.inputs, train.targets, hparams, {}, numbers, constants.own, True, balance
    )
    views = vmapped.layout.split(grads)
    for row, module in enumerate(modules):
        made = ModuleBalance(balance, hparams, module, 9)
        loss = made.backward(joint.losses.separate(module(train.inputs), train.targets), 1)
        assert torch.allclose(loss, losses[row])
        for name, param in module.named_parameters():
            assert torch.allclose(views[name][row], param.grad, atol=1e-6)


def test_steps_of_one_task_are_one_key_of_graphs():
    joint = task()
    vmapped = VmappedTask(joint, joint.build(0))
    first, second = (BalancedStep.of(vmapped, vmapped.module, joint.losses, "joint") for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert first != BalancedStep.of(VmappedTask(joint, joint.build(0)), vmapped.module, joint.losses, "joint")
