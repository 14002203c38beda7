"""Every built-in optimizer walks the path that its paper's formula gives: a check that needs no other library."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

import metaopt
import metaopt_optimizers
from metaopt.configuration import Configuration, assemble
from metaopt.plugin import current_registry

HERE = Path(__file__).parent
CASES = json.loads((HERE / "trajectories.json").read_text())


@pytest.fixture(scope="module")
def reference():
    """The module that made the trajectories."""
    spec = importlib.util.spec_from_file_location("make_trajectories", HERE / "make_trajectories.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shown(case):
    return f"{case['optimizer']} {case['hparams']}"


def rows(case, name):
    return torch.tensor(case[name], dtype=torch.float64)


def assembled(case):
    hparams = {"weight_decay": 0.0, **case["hparams"]}
    named = {f"{case['optimizer']}.{name}": value for name, value in hparams.items()}
    return assemble(Configuration(case["optimizer"], hparams=named, no_decay="none"), current_registry())


def start(reference):
    data = {name: torch.tensor(value) for name, value in reference.problem().items()}
    params = {name: data.pop(name) for name in ("w", "b")}
    return data, params


def loss(data, params):
    residual = data["x"] @ params["w"] + params["b"] - data["y"]
    return residual.cosh().log().mean()


@pytest.mark.parametrize("case", CASES, ids=shown)
def test_a_rule_walks_the_path_of_its_formula(case, reference):
    data, params = start(reference)
    assembly = assembled(case)
    hparams = assembly.tensor_hparams(params, torch.float64)
    state = assembly.rule.init(params, hparams, {}, None)
    gradient = torch.func.grad(lambda params: loss(data, params))
    for step in range(reference.STEPS):
        info = metaopt.StepInfo(step=torch.tensor(float(step)), horizon=torch.tensor(float(reference.STEPS)))
        updates, state = assembly.rule.update(gradient(params), state, params, hparams, {}, info)
        params = {name: param + updates[name] for name, param in params.items()}
        for name, param in params.items():
            torch.testing.assert_close(param, rows(case, name)[step], rtol=1e-9, atol=1e-12)
    if "evaluated" in case:
        evaluated = assembly.rule.evaluation_params(params, state, hparams)
        for name, expected in case["evaluated"].items():
            expected = torch.tensor(expected, dtype=torch.float64)
            torch.testing.assert_close(evaluated[name], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=shown)
def test_its_optimizer_walks_that_path_in_float32_and_in_an_ordinary_loop(case, reference):
    data, values = start(reference)
    data = {name: value.float() for name, value in data.items()}
    params = {name: torch.nn.Parameter(value.float()) for name, value in values.items()}
    optimizer = metaopt.create_optimizer(
        case["optimizer"],
        params.values(),
        implementation="rule",
        total_steps=reference.STEPS,
        **{"weight_decay": 0.0, **case["hparams"]},
    )
    for _ in range(reference.STEPS):
        optimizer.zero_grad()
        loss(data, params).backward()
        optimizer.step()
    for name, param in params.items():
        torch.testing.assert_close(param.detach().double(), rows(case, name)[-1], rtol=2e-3, atol=2e-3)


def test_the_trajectories_are_those_that_the_formulas_give_today(reference):
    for case, made in zip(CASES, reference.trajectories(), strict=True):
        assert (case["optimizer"], case["hparams"]) == (made["optimizer"], made["hparams"])
        for name in ("w", "b"):
            torch.testing.assert_close(rows(case, name), rows(made, name), rtol=1e-10, atol=1e-13)


def test_every_built_in_optimizer_has_a_trajectory():
    specs = metaopt_optimizers.metaopt_plugins()
    # What takes matrices alone cannot train the bias here: Muon's formula is in its own test, by singular values. An
    # eigenbasis is known up to signs and order: SOAP is held against its reference class, step by step.
    names = {spec.name for spec in specs if isinstance(spec, metaopt.OptimizerSpec) and spec.takes == "all"}
    assert names - {"soap"} == {case["optimizer"] for case in CASES}
