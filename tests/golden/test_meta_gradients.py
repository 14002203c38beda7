"""Meta-gradients through one step on a linear regression, against the formulas worked out by hand."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.meta import InnerLoop, Unrolls, Window
from metaopt.plugin import current_registry

GOLDEN = json.loads((Path(__file__).parent / "meta_gradients.json").read_text())


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def episodes():
    """Both episodes: support inputs and targets, query inputs and targets."""
    parts = [[*episode["support"], *episode["query"]] for episode in GOLDEN["episodes"]]
    support_x, support_y, query_x, query_y = (torch.stack([tensor(part[i]) for part in parts]) for i in range(4))
    return metaopt.Episodes(support_x, support_y.unsqueeze(2), query_x, query_y.unsqueeze(2))


class Fixed:
    """The episodes of the golden set, whatever is asked for."""

    fingerprint = "golden"

    def sample(self, partition, count, generator):
        return episodes()


def named(prefix, values):
    """Three weights and a bias of `nn.Linear(3, 1)`."""
    return {f"{prefix}.weight": tensor(values[:3]).unsqueeze(0), f"{prefix}.bias": tensor(values[3:])}


def gradient(rule, mode, first_order, limit=2**40, **hparams):
    task = metaopt.FewShotTask(
        "golden", "golden", lambda: nn.Linear(3, 1, dtype=torch.float64), Fixed(), F.mse_loss, num_steps=1
    )
    hparams = {f"{rule}.{name}": value for name, value in hparams.items()}
    assembly = assemble(Configuration(rule, hparams=hparams), current_registry())
    theta = named("start", GOLDEN["w"])
    if rule == "meta_sgd":
        theta |= named("rate", GOLDEN["rates"][rule])
    unrolls = Unrolls(InnerLoop(task, assembly, first_order), theta, mode, limit)
    return unrolls.gradient(theta, Window(episodes(), None, 0, 1, 1), None, None)


def mean(rule, key):
    return torch.stack([tensor(episode[rule][key]) for episode in GOLDEN["episodes"]]).mean(0)


@pytest.mark.parametrize("first_order", [False, True], ids=["second order", "first order"])
@pytest.mark.parametrize("mode", ["eager", "replayed"])
@pytest.mark.parametrize("rule", ["maml", "meta_sgd"])
def test_the_meta_gradient_of_one_step_is_that_of_the_formula(rule, mode, first_order):
    hparams = {"lr": GOLDEN["rates"]["maml"]} if rule == "maml" else {}
    result = gradient(rule, mode, first_order, **hparams)
    torch.testing.assert_close(result.objective, mean(rule, "objective"), rtol=1e-6, atol=1e-8, check_dtype=False)
    expected = named("start", mean(rule, "first_order" if first_order else "start").tolist())
    if rule == "meta_sgd":
        expected |= named("rate", mean(rule, "rate").tolist())
    assert result.theta.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(result.theta[name], value, rtol=1e-6, atol=1e-8, check_dtype=False)
