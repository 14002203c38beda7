"""The kit trains plugins in hosts that step by themselves, and says in which of them one fails."""

import pytest
import torch

import metaopt
from metaopt.testing.conformance import Check, checks_for
from metaopt.testing.hosts.loops import trains_in_hosts_that_step


class Descent(torch.optim.Optimizer):
    """Plain descent of a stranger's."""

    def __init__(self, params, lr: float = 0.05):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    param.sub_(group["lr"] * param.grad)
        return loss


class Deaf(Descent):
    """Takes a closure and never calls it."""

    def step(self, closure=None):
        return super().step()


class Twice(Descent):
    """Fails where a closure is given."""

    def step(self, closure=None):
        if closure is not None:
            raise NotImplementedError("no closures here")
        return super().step()


def outcome(cls):
    space = {"lr": metaopt.Float(1e-3, 1.0, log=True, default=0.05)}
    spec = metaopt.optimizer_spec(cls, name=cls.__name__.lower(), **space)
    return Check(spec, trains_in_hosts_that_step).run()


def test_a_class_that_keeps_torchs_contract_passes():
    assert outcome(Descent).status == "passed"


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Deaf, r"6 steps of a host with optimizer.step(closure) end "),
        (Twice, r"In a host with optimizer.step(closure) it raised NotImplementedError: no closures here"),
    ],
)
def test_a_class_that_fails_in_a_host_is_told_which(cls, message):
    found = outcome(cls)
    assert found.status == "failed"
    assert found.message.startswith(message)
    assert "\n" not in found.message
    assert found.location is not None
    assert found.location.path.endswith("test_loops.py")


def test_it_belongs_to_the_checks_of_what_steps():
    specs = metaopt.plugin.registry.current_registry()
    for kind, name in ((metaopt.OptimizerSpec, "sgd"), (metaopt.WrapperSpec, "clip"), (metaopt.ControllerSpec, "wsd")):
        assert "trains_in_hosts_that_step" in [check.name for check in checks_for(specs.get(kind, name))]
