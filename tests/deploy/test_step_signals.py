"""What a controller requires of a step is measured of that step's gradients, parameters and the update before."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.contracts import Rate
from metaopt.deploy import GRADIENT_SIGNALS, PLAIN_SIGNALS
from metaopt.deploy.gradient_guard import GradientGuard
from metaopt.deploy.scheduler.scheduler import ControllerScheduler
from metaopt.deploy.step_signals import LastUpdate, StepSignals


class Recording:
    """Keeps the rate, and the signals that it was asked with; when a scheduler is made, there are none yet."""

    def __init__(self):
        self.seen = []

    def init(self, hparams):
        return {}

    def update(self, state, info, hparams):
        values = {"loss": info.loss, **info.signals}
        self.seen.append({name: float(value) for name, value in values.items() if value is not None})
        return Rate(torch.ones(())), state


def setting(required, guard=None):
    """A parameter (3, 4), its optimizer with rate 1, and signals for a controller that records them."""
    param = nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = torch.optim.SGD([param], lr=1.0)
    controller = Recording()
    spec = metaopt.ControllerSpec(
        name="recording", version="1", controller=controller, cadence="step", space={}, requires=frozenset(required)
    )
    scheduler = ControllerScheduler(optimizer, spec, {}, total_steps=10, supplies=PLAIN_SIGNALS | GRADIENT_SIGNALS)
    return param, optimizer, scheduler, StepSignals(optimizer, scheduler, guard), controller


def take(param, optimizer, scheduler, signals, grad):
    param.grad = torch.tensor(grad)
    signals.begin(torch.tensor(0.5))
    optimizer.step()
    signals.end()
    scheduler.step()


def test_a_controller_sees_the_norm_of_each_steps_gradients():
    param, optimizer, scheduler, signals, controller = setting({"gradient_norm"})
    for grad in ([3.0, 4.0], [0.0, 2.0]):
        take(param, optimizer, scheduler, signals, grad)
    assert [seen["gradient_norm"] for seen in controller.seen[1:]] == [5.0, 2.0]
    assert signals.state_dict() is None


def test_a_controller_sees_how_gradients_agree_with_the_update_before():
    """SGD's update is the negated gradient: the same gradient again points against it, its opposite along it."""
    param, optimizer, scheduler, signals, controller = setting({"agreement"})
    for grad in ([3.0, 4.0], [3.0, 4.0], [-3.0, -4.0], [4.0, -3.0]):
        take(param, optimizer, scheduler, signals, grad)
    agreements = [seen["agreement"] for seen in controller.seen[1:]]
    assert agreements == pytest.approx([0.0, -1.0, 1.0, 0.0], abs=1e-6)


def test_a_resumed_run_remembers_the_update_before():
    param, optimizer, scheduler, signals, _ = setting({"agreement"})
    take(param, optimizer, scheduler, signals, [3.0, 4.0])
    other_param, other_optimizer, other_scheduler, other_signals, controller = setting({"agreement"})
    other_signals.load_state_dict(signals.state_dict())
    take(other_param, other_optimizer, other_scheduler, other_signals, [3.0, 4.0])
    assert controller.seen[-1]["agreement"] == pytest.approx(-1.0)


@pytest.mark.parametrize("guarded", [False, True])
def test_the_controller_does_not_see_a_step_that_the_guard_will_skip(guarded):
    param, _, scheduler, signals, controller = setting({"gradient_norm"}, GradientGuard() if guarded else None)
    asked = len(controller.seen)
    param.grad = torch.tensor([1e30, 0.0])
    signals.begin(torch.tensor(0.5))
    assert len(controller.seen) == asked + (not guarded)
    assert scheduler.get_last_lr() == [1.0]


def test_an_update_is_what_moved_the_parameters_whatever_it_was():
    params = [torch.tensor([1.0, 2.0]), torch.tensor([3.0])]
    update = LastUpdate()
    assert update.agreement(params).item() == 0.0
    update.begin(params)
    params[0] += torch.tensor([0.5, 0.0])
    params[1] -= 2.0
    update.end(params)
    assert [part.tolist() for part in update.state_dict()] == [[0.5, 0.0], [-2.0]]


def test_agreement_is_over_all_parameters_and_a_missing_gradient_counts_as_zero():
    params = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))]
    update = LastUpdate()
    update.load_state_dict([torch.tensor([3.0, 0.0]), torch.tensor([4.0])], params)
    params[0].grad = torch.tensor([1.0, 0.0])
    assert update.agreement(params).item() == pytest.approx(0.6)
    params[1].grad = torch.tensor([1.0])
    assert update.agreement(params).item() == pytest.approx(7 / (5 * 2**0.5))


def test_updates_of_low_precision_parameters_are_kept_in_float32():
    params = [torch.zeros(2, dtype=torch.bfloat16)]
    update = LastUpdate()
    update.load_state_dict([torch.ones(2, dtype=torch.float64)], params)
    assert update.state_dict()[0].dtype is torch.float32


def test_a_sparse_gradient_agrees_as_its_dense_form_does():
    param = nn.Parameter(torch.zeros(2, 1))
    update = LastUpdate()
    update.load_state_dict([torch.tensor([[3.0], [4.0]])], [param])
    param.grad = torch.sparse_coo_tensor([[0]], [[2.0]], (2, 1), check_invariants=True)
    assert update.agreement([param]).item() == pytest.approx(0.6)


def test_the_update_of_other_parameters_is_refused():
    with pytest.raises(metaopt.InputError, match="The last update of this state is of other parameters"):
        LastUpdate().load_state_dict([torch.zeros(3)], [torch.zeros(2)])
