import copy
import io
import math
import resource

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.deploy import GRADIENT_SIGNALS, PLAIN_SIGNALS, build_optimizer, rate_table
from metaopt.deploy.scheduler.scheduler import ControllerScheduler
from metaopt.plugin.kinds import ControllerSpec
from metaopt.plugin.registry import Registry, current_registry
from metaopt.space import defaults


def optimizer_of(*rates, **keywords):
    groups = [{"params": [torch.zeros(2, requires_grad=True)], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, **keywords)


def take(optimizer, scheduler, num_steps):
    """Train; returns the rates of the first group that each step used."""
    used = []
    for _ in range(num_steps):
        used.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return used


def saved_and_loaded(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


class LossRatio:
    """The rate follows the training loss, and counts its steps."""

    def init(self, hparams):
        return {"count": torch.zeros((), dtype=torch.float64)}

    def update(self, state, info, hparams):
        return metaopt.Rate(1 / (1 + info.loss)), {"count": state["count"] + 1}


class MetricRatio:
    def init(self, hparams):
        return {"seen": torch.zeros((), dtype=torch.float64)}

    def update(self, state, info, hparams):
        rate = torch.nan_to_num(info.signals["metric"], nan=1.0)
        return metaopt.Rate(rate), {"seen": state["seen"] + 1}


class AbsoluteRamp:
    def init(self, hparams):
        return {}

    def update(self, state, info, hparams):
        return metaopt.Rate(0.1 * (info.step + 1), absolute=True), state


class PerName:
    def init(self, hparams):
        return {}

    def update(self, state, info, hparams):
        return metaopt.Rate({"weight": torch.ones(())}), state


def test_it_is_a_true_torch_scheduler_and_sets_the_first_rate_when_it_is_made():
    optimizer = optimizer_of(0.1)
    scheduler = metaopt.create_scheduler("linear", optimizer, total_steps=10, warmup=0.5)
    assert isinstance(scheduler, LRScheduler)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 / 5)
    assert scheduler.get_last_lr() == [pytest.approx(0.1 / 5)]


@pytest.mark.parametrize("name", ["constant", "cosine", "exponential", "linear", "one_cycle", "wsd"])
def test_each_step_uses_the_rate_that_the_engine_would_use(name):
    optimizer = optimizer_of(0.1)
    scheduler = metaopt.create_scheduler(name, optimizer, total_steps=40)
    spec = current_registry().get(ControllerSpec, name)
    hparams = {key: torch.tensor(value, dtype=torch.float64) for key, value in encoded_defaults(spec).items()}
    table, _ = rate_table(spec, hparams, 40, 40)
    assert take(optimizer, scheduler, 40) == pytest.approx((0.1 * table).tolist(), rel=1e-12)


def encoded_defaults(spec):
    from metaopt.space import defaults, encode

    return encode(spec.space, defaults(spec.space))


def test_past_the_horizon_the_last_rate_holds():
    optimizer = optimizer_of(0.1)
    scheduler = metaopt.create_scheduler("linear", optimizer, total_steps=5, warmup=0.0, final_ratio=0.3)
    take(optimizer, scheduler, 5)
    assert take(optimizer, scheduler, 3) == pytest.approx([0.03] * 3)


def test_groups_keep_their_relative_rates():
    optimizer = optimizer_of(0.1, 0.001)
    scheduler = metaopt.create_scheduler("cosine", optimizer, total_steps=10)
    for _ in range(10):
        first, second = scheduler.get_last_lr()
        assert second == pytest.approx(first / 100)
        optimizer.step()
        scheduler.step()


def test_a_group_added_later_takes_part_with_the_rate_it_came_with():
    optimizer = optimizer_of(0.1)
    scheduler = metaopt.create_scheduler("linear", optimizer, total_steps=10, warmup=0.0)
    take(optimizer, scheduler, 4)
    optimizer.add_param_group({"params": [torch.zeros(3)], "lr": 1.0})
    take(optimizer, scheduler, 1)
    assert scheduler.get_last_lr() == pytest.approx([0.05, 0.5])
    assert scheduler.base_lrs == [0.1, 1.0]


def test_a_tensor_rate_is_written_in_place():
    rate = torch.tensor(0.1)
    optimizer = torch.optim.Adam([torch.zeros(2)], lr=rate)
    held = optimizer.param_groups[0]["lr"]
    scheduler = metaopt.create_scheduler("linear", optimizer, total_steps=10, warmup=0.0)
    take(optimizer, scheduler, 5)
    assert optimizer.param_groups[0]["lr"] is held
    assert float(held) == pytest.approx(0.05)
    scheduler.get_last_lr()[0].fill_(7.0)
    assert float(held) == pytest.approx(0.05)


def test_an_absolute_rate_replaces_the_first_groups_and_the_others_follow():
    optimizer = optimizer_of(0.5, 0.25)
    ControllerScheduler(optimizer, spec_of(AbsoluteRamp()), {}, total_steps=10)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1, 0.05])


def test_without_a_horizon_the_table_grows_and_resuming_sees_the_same_bits():
    class Decay:
        def init(self, hparams):
            return {}

        def update(self, state, info, hparams):
            return metaopt.Rate((1 + info.step).rsqrt()), state

    def optimizer_and_scheduler():
        optimizer = optimizer_of(1.0)
        return optimizer, ControllerScheduler(optimizer, spec_of(Decay()), {})

    optimizer, scheduler = optimizer_and_scheduler()
    used = take(optimizer, scheduler, 2500)
    assert used[2000] == pytest.approx(2001**-0.5, rel=1e-12)
    optimizer, scheduler = optimizer_and_scheduler()
    scheduler.load_state_dict({**scheduler.state_dict(), "last_epoch": 2000})
    take(optimizer, scheduler, 1)
    assert take(optimizer, scheduler, 499) == used[2001:2500]


@pytest.mark.parametrize("name", ["wsd", "plateau"])
def test_a_resumed_scheduler_equals_an_unbroken_one(name):
    metrics = [3.0, 3.0, 3.0, 2.0, 2.0, 2.0, 2.0, math.nan, 2.0, 2.0]
    settings = {"patience": 1, "cooldown": 1} if name == "plateau" else {}

    def optimizer_and_scheduler():
        optimizer = optimizer_of(0.1, 0.3, momentum=0.9)
        return optimizer, metaopt.create_scheduler(name, optimizer, total_steps=50, **settings)

    def train(optimizer, scheduler, some_metrics):
        used = []
        for metric in some_metrics:
            used += take(optimizer, scheduler, 5)
            scheduler.observe(metric)
        return used

    unbroken = train(*optimizer_and_scheduler(), metrics)
    first_optimizer, first = optimizer_and_scheduler()
    before = train(first_optimizer, first, metrics[:4])
    second_optimizer, second = optimizer_and_scheduler()
    second_optimizer.load_state_dict(saved_and_loaded(first_optimizer.state_dict()))
    second.load_state_dict(saved_and_loaded(first.state_dict()))
    assert second.get_last_lr() == first.get_last_lr()
    assert before + train(second_optimizer, second, metrics[4:]) == unbroken


def test_a_state_of_another_controller_or_setting_is_refused_and_a_new_plan_is_announced():
    state = metaopt.create_scheduler("linear", optimizer_of(0.1), total_steps=10).state_dict()
    with pytest.raises(metaopt.InputError, match=r"controller is 'cosine', the state's is 'linear'"):
        metaopt.create_scheduler("cosine", optimizer_of(0.1), total_steps=10).load_state_dict(state)
    with pytest.raises(metaopt.InputError, match="hparams"):
        metaopt.create_scheduler("linear", optimizer_of(0.1), total_steps=10, warmup=0.1).load_state_dict(state)
    longer = metaopt.create_scheduler("linear", optimizer_of(0.1), total_steps=20)
    with pytest.warns(UserWarning, match=r"total_steps=10, this scheduler has 20"):
        longer.load_state_dict(state)


def test_plateau_lowers_the_rate_through_observe_and_plain_steps_leave_it():
    optimizer = optimizer_of(0.1)
    scheduler = metaopt.create_scheduler("plateau", optimizer, mode="max", patience=1, factor=0.5)
    for accuracy in (0.5, 0.6, 0.7):
        take(optimizer, scheduler, 3)
        scheduler.observe(accuracy)
    assert take(optimizer, scheduler, 3) == [0.1] * 3
    scheduler.observe(0.7)
    scheduler.observe(0.6)
    assert scheduler.get_last_lr() == [0.05]
    assert take(optimizer, scheduler, 3) == [0.05] * 3


def test_a_controller_of_cadence_step_is_asked_before_every_step_with_the_latest_metric():
    optimizer = optimizer_of(1.0)
    spec = spec_of(MetricRatio(), cadence="step", requires=frozenset({"metric"}))
    scheduler = ControllerScheduler(optimizer, spec, {})
    assert take(optimizer, scheduler, 2) == [1.0, 1.0]
    scheduler.observe(0.25)
    take(optimizer, scheduler, 1)
    assert take(optimizer, scheduler, 1) == [0.25]
    assert scheduler.state_dict()["state"]["seen"] == 5


def test_a_controller_that_needs_the_loss_is_refused_by_a_plain_scheduler_by_name():
    registry = Registry()
    registry.register(spec_of(LossRatio(), name="loss_ratio", cadence="step", requires=frozenset({"loss"})))
    with pytest.raises(metaopt.PluginError, match=r"'loss_ratio' requires loss"):
        metaopt.create_scheduler("loss_ratio", optimizer_of(0.1), registry=registry)


def test_a_controller_that_needs_the_loss_gets_it_before_the_optimizers_step():
    optimizer = optimizer_of(1.0)
    spec = spec_of(LossRatio(), name="loss_ratio", cadence="step", requires=frozenset({"loss"}))
    scheduler = ControllerScheduler(optimizer, spec, {}, supplies=PLAIN_SIGNALS | GRADIENT_SIGNALS)
    scheduler.prepare(loss=torch.tensor(3.0))
    assert take(optimizer, scheduler, 1) == [0.25]
    with pytest.raises(metaopt.InputError, match=r"'loss_ratio' requires loss at each step; pass loss="):
        scheduler.prepare()
    optimizer.step()
    with pytest.raises(metaopt.InputError, match=r"'loss_ratio' requires loss before each optimizer step"):
        scheduler.step()


def test_what_cannot_work_is_refused_with_what_to_do():
    with pytest.raises(metaopt.InputError, match=r"'wsd' needs to know how long training will be; pass total_steps="):
        metaopt.create_scheduler("wsd", optimizer_of(0.1))
    with pytest.raises(metaopt.InputError, match=r"total_steps must be a positive whole number, got 0"):
        metaopt.create_scheduler("wsd", optimizer_of(0.1), total_steps=0)
    with pytest.raises(metaopt.InputError, match=r"wsd has no hyperparameter 'decy'; did you mean 'decay'"):
        metaopt.create_scheduler("wsd", optimizer_of(0.1), total_steps=10, decy=0.1)
    with pytest.raises(metaopt.PluginError, match=r"There is no controller 'wsdd'; did you mean 'wsd'"):
        metaopt.create_scheduler("wsdd", optimizer_of(0.1), total_steps=10)
    with pytest.raises(metaopt.InputError, match=r"mode must be 'min' or 'max', got 'auto'"):
        metaopt.create_scheduler("wsd", optimizer_of(0.1), total_steps=10, mode="auto")
    with pytest.raises(metaopt.PluginError, match="gives a rate for each parameter's name"):
        ControllerScheduler(optimizer_of(0.1), spec_of(PerName()), {}, total_steps=10)
    with pytest.raises(metaopt.InputError, match=r"the rates of a torch\.optim\.Optimizer, got 'adam'"):
        metaopt.create_scheduler("wsd", "adam", total_steps=10)


def test_it_can_follow_a_torch_scheduler_in_a_sequence():
    optimizer = optimizer_of(1.0)
    up = torch.optim.lr_scheduler.LinearLR(optimizer, 0.5, 1.0, total_iters=2)
    down = metaopt.create_scheduler("linear", optimizer, total_steps=4, warmup=0.0)
    both = torch.optim.lr_scheduler.SequentialLR(optimizer, [up, down], milestones=[2])
    assert take(optimizer, both, 7) == pytest.approx([0.5, 0.75, 1.0, 0.75, 0.5, 0.25, 0.0])


def test_a_rule_without_a_rate_pairs_with_a_constant_one_alone():
    def optimizer():
        registry = Registry()
        spec = metaopt.OptimizerSpec(
            name="sign", version="1", rule=metaopt.per_tensor(lambda *_: {}, lambda grad, *_: (-grad.sign(), {}))
        )
        registry.register(spec)
        registry.register(current_registry().get(ControllerSpec, "constant"))
        assembly = assemble(Configuration("sign"), registry)
        return build_optimizer(assembly, [torch.zeros(2, requires_grad=True)])

    rateless = optimizer()
    take(rateless, metaopt.create_scheduler("constant", rateless), 3)
    with pytest.raises(metaopt.PluginError, match=r"has no lr for the controller 'wsd' to act on; use .* 'constant'"):
        metaopt.create_scheduler("wsd", optimizer(), total_steps=10)


def test_a_constant_rate_needs_no_horizon():
    optimizer = optimizer_of(0.1)
    assert take(optimizer, metaopt.create_scheduler("constant", optimizer), 2000) == [0.1] * 2000


def test_a_copy_goes_its_own_way():
    optimizer = optimizer_of(0.1)
    scheduler = metaopt.create_scheduler("exponential", optimizer, total_steps=2, final_ratio=0.01)
    take(optimizer, scheduler, 1)
    twin = copy.deepcopy(scheduler)
    take(optimizer, scheduler, 5)
    assert twin.last_epoch == 1
    assert take(twin.optimizer, twin, 2) == pytest.approx([0.01, 0.001])


def spec_of(controller, *, name="probe", **keywords):
    return metaopt.ControllerSpec(name=name, version="1", controller=controller, **keywords)


def test_a_metric_given_to_step_says_where_it_goes():
    scheduler = metaopt.create_scheduler("plateau", optimizer_of(0.1))
    with pytest.raises(metaopt.InputError, match=r"takes no metric, got 0\.3: .* scheduler\.observe\(metric\)"):
        scheduler.step(0.3)


TABLES = [
    name
    for name in current_registry().names(ControllerSpec)
    if current_registry().get(ControllerSpec, name).cadence == "table"
]


@pytest.mark.parametrize("name", TABLES)
def test_memory_does_not_grow_with_the_plan(name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    optimizer = optimizer_of(0.1)
    scheduler = metaopt.create_scheduler(name, optimizer, total_steps=10**8)
    scheduler.last_epoch = 5 * 10**7 - 1
    take(optimizer, scheduler, 2)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024  # KiB; a table has 781,250


@pytest.mark.parametrize("order", ["optimizer first", "scheduler first", "scheduler alone"])
@pytest.mark.parametrize("name", ["cosine", "plateau"])
def test_a_loaded_scheduler_has_its_rate_in_the_groups(name, order):
    optimizer = metaopt.create_optimizer("adamw", [{"params": [nn.Parameter(torch.ones(2))], "lr": r} for r in (1, 2)])
    scheduler = metaopt.create_scheduler(name, optimizer, total_steps=100)
    for _ in range(50):
        optimizer.step()
        scheduler.step()
        scheduler.observe(1.0)
    states = saved_and_loaded({"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()})
    again = metaopt.create_optimizer("adamw", [{"params": [nn.Parameter(torch.ones(2))], "lr": r} for r in (1, 2)])
    if order == "optimizer first":
        again.load_state_dict(states["optimizer"])
    resumed = metaopt.create_scheduler(name, again, total_steps=100)
    resumed.load_state_dict(states["scheduler"])
    if order == "scheduler first":
        again.load_state_dict(states["optimizer"])
    for _ in range(3):
        assert [group["lr"] for group in again.param_groups] == [group["lr"] for group in optimizer.param_groups]
        for stepped, schedule in ((optimizer, scheduler), (again, resumed)):
            stepped.step()
            schedule.step()


def test_a_scheduler_that_waits_in_a_sequence_leaves_the_rate_alone_when_it_is_loaded():
    def optimizer_and_scheduler():
        optimizer = optimizer_of(1.0)
        up = torch.optim.lr_scheduler.LinearLR(optimizer, 0.25, 1.0, total_iters=4)
        down = metaopt.create_scheduler("linear", optimizer, total_steps=4, warmup=0.0)
        return optimizer, torch.optim.lr_scheduler.SequentialLR(optimizer, [up, down], milestones=[4])

    optimizer, whole = optimizer_and_scheduler()
    take(optimizer, whole, 2)
    states = copy.deepcopy((optimizer.state_dict(), whole.state_dict()))
    again, resumed = optimizer_and_scheduler()
    again.load_state_dict(states[0])
    resumed.load_state_dict(states[1])
    assert take(again, resumed, 4) == take(optimizer, whole, 4)


@pytest.mark.parametrize("name", current_registry().names(ControllerSpec))
def test_the_state_of_every_other_controller_is_refused_by_name(name):
    def scheduler_of(controller):
        spec = current_registry().get(ControllerSpec, controller)
        supplies = PLAIN_SIGNALS | GRADIENT_SIGNALS
        return ControllerScheduler(optimizer_of(0.1), spec, defaults(spec.space), total_steps=9, supplies=supplies)

    scheduler = scheduler_of(name)
    scheduler.load_state_dict(scheduler.state_dict())
    for other in current_registry().names(ControllerSpec):
        if other != name:
            with pytest.raises(metaopt.InputError, match=f"This scheduler's controller is '{name}', .* '{other}'"):
                scheduler.load_state_dict(scheduler_of(other).state_dict())


@pytest.mark.parametrize("state", [None, {}, 3])
def test_what_is_no_schedulers_state_is_refused(state):
    with pytest.raises(metaopt.InputError):
        metaopt.create_scheduler("cosine", optimizer_of(0.1), total_steps=9).load_state_dict(state)
    torchs = torch.optim.lr_scheduler.ExponentialLR(optimizer_of(0.1), 0.9).state_dict()
    with pytest.raises(metaopt.InputError, match="create the same scheduler"):
        metaopt.create_scheduler("cosine", optimizer_of(0.1), total_steps=9).load_state_dict(torchs)


def test_a_step_that_lies_past_a_shorter_plan_is_refused():
    optimizer = optimizer_of(0.1)
    scheduler = metaopt.create_scheduler("cosine", optimizer, total_steps=100)
    take(optimizer, scheduler, 50)
    shorter = metaopt.create_scheduler("cosine", optimizer_of(0.1), total_steps=20)
    with pytest.raises(metaopt.InputError, match="is of step 50 of 100, and this scheduler plans 20: nothing is left"):
        shorter.load_state_dict(scheduler.state_dict())
