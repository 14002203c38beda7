import math

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

import metaopt
from metaopt.space import encode, resolve
from metaopt_controllers.plateau import PLATEAU


def rates(metrics, **hparams):
    numbers = encode(PLATEAU.space, resolve(PLATEAU.space, hparams, "plateau"))
    tensors = {name: torch.tensor(number, dtype=torch.float64) for name, number in numbers.items()}
    return follow(torch.tensor(metrics, dtype=torch.float64), tensors).tolist()


def follow(metrics, hparams):
    state, values = PLATEAU.controller.init(hparams), []
    for step, metric in enumerate(metrics.unbind()):
        info = metaopt.StepInfo(torch.tensor(float(step)), signals={"metric": metric})
        rate, state = PLATEAU.controller.update(state, info, hparams)
        values.append(rate.value)
    return torch.stack(values)


def torch_rates(metrics, *, min_ratio, **hparams):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = ReduceLROnPlateau(optimizer, min_lr=min_ratio, eps=0.0, **hparams)
    values = []
    for metric in metrics:
        scheduler.step(metric)
        values.append(optimizer.param_groups[0]["lr"])
    return values


def random_settings(count):
    generator = torch.Generator().manual_seed(0)

    def pick(*choices):
        return choices[int(torch.randint(len(choices), (), generator=generator))]

    for _ in range(count):
        metrics = 2 + torch.randn(60, generator=generator, dtype=torch.float64).cumsum(0).abs()
        yield (
            metrics.tolist(),
            {
                "factor": pick(0.1, 0.5, 0.9), "patience": pick(0, 1, 3, 10), "threshold": pick(0.0, 1e-4, 0.1),
                "threshold_mode": pick("rel", "abs"), "cooldown": pick(0, 2, 5), "min_ratio": pick(0.0, 0.01, 0.2),
            },
        )  # fmt: skip


def test_it_is_torchs_reduce_lr_on_plateau_on_random_series():
    for metrics, setting in random_settings(60):
        assert rates(metrics, **setting) == pytest.approx(torch_rates(metrics, **setting), rel=1e-12), setting


def test_many_settings_and_series_run_through_one_vmap():
    drawn = list(random_settings(20))
    encoded = [encode(PLATEAU.space, setting) for _, setting in drawn]
    hparams = {name: torch.tensor([row[name] for row in encoded], dtype=torch.float64) for name in PLATEAU.space}
    together = torch.vmap(follow)(torch.tensor([metrics for metrics, _ in drawn], dtype=torch.float64), hparams)
    for row, (metrics, setting) in zip(together, drawn, strict=True):
        assert row.tolist() == pytest.approx(rates(metrics, **setting))


def test_its_defaults_are_torchs_but_for_the_floor():
    flat = [1.0] * 40
    assert rates(flat) == pytest.approx(torch_rates(flat, min_ratio=1e-6))


def test_a_relative_threshold_asks_for_an_improvement_of_a_negative_metric_too():
    worse = [-1.0, -0.99, -0.98, -0.97]
    setting = {"factor": 0.5, "patience": 0, "threshold": 0.1, "threshold_mode": "rel"}
    assert rates(worse, **setting) == [1.0, 0.5, 0.25, 0.125]
    assert rates([-1.0, -1.2, -1.4, -1.6], **setting) == [1.0] * 4


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_finite_number_is_no_improvement_and_spoils_nothing(bad):
    setting = {"factor": 0.5, "patience": 1}
    assert rates([1.0, bad, bad, 0.5, 0.4], **setting) == [1.0, 1.0, 0.5, 0.5, 0.5]
    assert rates([bad, bad, 0.5, 0.4], **setting) == [1.0, 0.5, 0.5, 0.5]


def scheduled(metrics, mode, **hparams):
    """Rates of two groups after each validation, by metaopt's scheduler."""
    optimizer = two_groups()
    scheduler = metaopt.create_scheduler("plateau", optimizer, mode=mode, **hparams)
    return [follow_groups(optimizer, scheduler.observe, metric) for metric in metrics]


def torch_scheduled(metrics, mode, *, min_ratio=1e-6, **hparams):
    """The same by torch's own."""
    optimizer = two_groups()
    floors = [min_ratio * group["lr"] for group in optimizer.param_groups]
    scheduler = ReduceLROnPlateau(optimizer, mode=mode, min_lr=floors, eps=0.0, **hparams)
    return [follow_groups(optimizer, scheduler.step, metric) for metric in metrics]


def two_groups():
    params = [{"params": [torch.zeros(1)], "lr": rate} for rate in (1.0, 0.2)]
    return torch.optim.SGD(params, lr=1.0)


def follow_groups(optimizer, observe, metric):
    observe(metric)
    return [group["lr"] for group in optimizer.param_groups]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_in_either_mode_and_on_several_groups_it_is_torchs_for_positive_metrics(mode):
    for metrics, setting in random_settings(10):
        mine, theirs = scheduled(metrics, mode, **setting), torch_scheduled(metrics, mode, **setting)
        assert mine == [pytest.approx(row, rel=1e-12) for row in theirs], setting


@pytest.mark.parametrize("mode", ["min", "max"])
def test_torchs_relative_threshold_takes_worse_negative_values_for_better_ones_and_this_does_not(mode):
    worse = [-40.0, -41.0, -42.0, -43.0] if mode == "max" else [-40.0, -39.0, -38.0, -37.0]
    setting = {"factor": 0.5, "patience": 0, "threshold": 0.1, "threshold_mode": "rel"}
    assert [row[0] for row in torch_scheduled(worse, mode, **setting)] == [1.0] * 4, "torch takes them for better"
    assert [row[0] for row in scheduled(worse, mode, **setting)] == [1.0, 0.5, 0.25, 0.125]
    better = [-40.0, -35.0, -31.0, -27.0] if mode == "max" else [-40.0, -45.0, -50.0, -56.0]
    assert scheduled(better, mode, **setting)[-1][0] == 1.0


def test_a_cooldown_forgives_and_then_patience_counts_anew():
    setting = {"factor": 0.5, "patience": 1, "cooldown": 2}
    # The second bad one in a row lowers it, two are forgiven, the second after these lowers it again.
    assert rates([1.0] * 8, **setting) == [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_the_rate_stops_at_the_floor():
    assert rates([1.0] * 6, factor=0.5, patience=0, min_ratio=0.2) == [1.0, 0.5, 0.25, 0.2, 0.2, 0.2]


def test_a_run_that_goes_on_from_its_state_lowers_the_rate_when_an_unbroken_one_does():
    metrics = [1.0, 0.9, 0.95, 0.95, 0.95, 0.8, 0.85, 0.85, 0.85]
    setting = {"factor": 0.5, "patience": 1, "cooldown": 1}
    unbroken = scheduled(metrics, "min", **setting)
    first = metaopt.create_scheduler("plateau", two_groups(), **setting)
    for metric in metrics[:4]:
        first.observe(metric)
    second = metaopt.create_scheduler("plateau", two_groups(), **setting)
    second.load_state_dict(first.state_dict())
    assert [follow_groups(second.optimizer, second.observe, metric) for metric in metrics[4:]] == unbroken[4:]
