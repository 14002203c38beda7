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
