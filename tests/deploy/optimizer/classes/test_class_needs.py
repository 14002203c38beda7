"""What a class needs of a loop beyond gradients is said when it is made, and missed when it steps."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.deploy.optimizer.build import build_optimizer
from metaopt.deploy.optimizer.classes.class_needs import check_followed, check_needs, warn_of_needs
from metaopt.deploy.optimizer.classes.class_trial import Tried
from metaopt.plugin.registry import Registry, current_registry


class Curved(torch.optim.SGD):
    """Descends along gradients over the diagonal of the Hessian, which it takes from the gradients' own graph."""

    def step(self, closure=None):
        for group in self.param_groups:
            for param in group["params"]:
                (curvature,) = torch.autograd.grad(param.grad.sum(), param, retain_graph=True)
                with torch.no_grad():
                    param.sub_(group["lr"] * param.grad / curvature.abs().clamp(min=1.0))


def built(cls, model, **fields):
    registry = Registry()
    registry.register(metaopt.optimizer_spec(cls, name="mine", **fields))
    registry.register(current_registry().get(metaopt.ControllerSpec, "constant"))
    return build_optimizer(assemble(Configuration("mine"), registry), model)


def test_a_class_without_needs_is_quiet():
    assert warn_of_needs(metaopt.optimizer_spec(torch.optim.SGD).native, stacklevel=1) is None
    assert isinstance(built(torch.optim.SGD, nn.Linear(2, 1)), torch.optim.SGD)


def test_a_class_that_differentiates_gradients_says_so_and_takes_a_graph():
    model = nn.Linear(2, 1)
    with pytest.warns(
        UserWarning, match=r"Curved differentiates the gradients once more: call loss\.backward\(create_"
    ):
        optimizer = built(Curved, model, needs_graph=True)
    before = model.weight.detach().clone()
    model(torch.ones(1, 2)).pow(4).sum().backward()
    with pytest.raises(metaopt.InputError, match=r"call loss\.backward\(create_graph=True\), and optimizer\.zero_grad"):
        optimizer.step()
    optimizer.zero_grad()
    params = list(model.parameters())
    grads = torch.autograd.grad(model(torch.ones(1, 2)).pow(4).sum(), params, create_graph=True)
    for param, grad in zip(params, grads, strict=True):
        param.grad = grad
    optimizer.step()
    assert not torch.equal(model.weight, before)


def test_a_class_that_evaluates_anew_says_so_and_takes_a_closure():
    model = nn.Linear(2, 1)
    with pytest.warns(
        UserWarning, match=r"computes loss and gradients anew inside its step: call run\.optimizer\.step"
    ):
        optimizer = built(torch.optim.LBFGS, model)
    with pytest.raises(metaopt.InputError, match=r"LBFGS computes loss and gradients anew inside its step"):
        optimizer.step()

    def closure():
        optimizer.zero_grad()
        loss = (model(torch.eye(2)) - 3).square().mean()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() > 1e-3 > closure().item()


def test_a_class_whose_steps_cannot_be_followed_is_refused():
    class Aloof(torch.optim.Optimizer):
        def __init__(self, params, lr: float = 0.1):
            self.param_groups = [{"params": list(params), "lr": lr}]

    optimizer = Aloof([torch.ones(2, requires_grad=True)])
    with pytest.raises(
        metaopt.PluginError, match=r"does not call torch\.optim\.Optimizer\.__init__, so that its steps"
    ):
        check_followed(optimizer, metaopt.optimizer_spec(Aloof).native)


def test_gradients_that_have_to_be_there_before_the_closure_are_asked_for():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.LBFGS(model.parameters())
    check_needs(optimizer, metaopt.optimizer_spec(torch.optim.LBFGS).native, Tried(needs_gradients=True))
    with pytest.raises(metaopt.InputError, match="looks at gradients before it calls the closure, and there are none"):
        optimizer.step(lambda: model(torch.ones(1, 2)).sum())


def test_a_class_of_sparse_gradients_alone_refuses_dense_ones_and_takes_its_own():
    model = nn.Linear(2, 1)
    optimizer = built(torch.optim.SparseAdam, model)
    model(torch.ones(1, 2)).sum().backward()
    with pytest.raises(metaopt.InputError, match=r"SparseAdam takes sparse gradients alone, such as those of nn\.Emb"):
        optimizer.step()
    table = nn.Embedding(3, 2, sparse=True)
    optimizer = built(torch.optim.SparseAdam, table)
    before = table.weight.detach().clone()
    table(torch.tensor([1])).sum().backward()
    optimizer.step()
    assert (table.weight != before).any(1).tolist() == [False, True, False]
