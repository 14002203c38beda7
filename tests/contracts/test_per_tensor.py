"""Functions of one tensor become a rule over all of them."""

import pytest
import torch

import metaopt
from metaopt import StepInfo
from metaopt.contracts.per_tensor import prepared, prepared_update

LR = {"lr": torch.tensor(0.5)}
PARAMS = {"w": torch.tensor([1.0, 2.0]), "b": torch.tensor([10.0])}
HPARAMS = dict.fromkeys(PARAMS, LR)
GRADS = {"w": torch.tensor([2.0, 4.0])}
INFO = StepInfo(step=torch.tensor(3.0))


def zeros(param, hparams, theta, horizon):
    return {"sum": torch.zeros_like(param)}


def accumulate(grad, state, param, hparams, theta, info):
    total = state["sum"] + grad
    return -hparams["lr"] * total, {"sum": total}


def stepped(rule, grads=GRADS, params=PARAMS):
    state = rule.init(params, HPARAMS, {}, None)
    return rule.update(grads, state, params, HPARAMS, {}, INFO)


def test_each_tensor_with_a_gradient_is_updated_from_its_own_state():
    rule = metaopt.per_tensor(zeros, accumulate)
    updates, state = stepped(rule)
    assert updates.keys() == {"w"}
    assert updates["w"].tolist() == [-1.0, -2.0]
    assert state["tensors"]["w"]["sum"].tolist() == [2.0, 4.0]
    updates, state = rule.update(GRADS, state, PARAMS, HPARAMS, {}, INFO)
    assert updates["w"].tolist() == [-2.0, -4.0]


def test_without_idle_a_tensor_without_a_gradient_keeps_its_state():
    _, state = stepped(metaopt.per_tensor(zeros, accumulate))
    assert state["tensors"]["b"]["sum"].tolist() == [0.0]


def test_idle_gives_a_tensor_without_a_gradient_its_new_state():
    rule = metaopt.per_tensor(
        zeros, accumulate, idle=lambda state, param, hparams, info: {"sum": state["sum"] + param * hparams["lr"]}
    )
    updates, state = stepped(rule)
    assert "b" not in updates
    assert state["tensors"]["b"]["sum"].tolist() == [5.0]
    assert state["tensors"]["w"]["sum"].tolist() == [2.0, 4.0]


def test_updates_have_the_dtype_of_the_parameter_and_state_that_of_init():
    params = {name: param.to(torch.bfloat16) for name, param in PARAMS.items()}
    rule = metaopt.per_tensor(
        lambda param, hparams, theta, horizon: {"sum": torch.zeros(param.shape)},
        lambda grad, state, param, hparams, theta, info: (grad.double(), {"sum": grad.double()}),
    )
    updates, state = stepped(rule, params=params)
    assert updates["w"].dtype == torch.bfloat16
    assert state["tensors"]["w"]["sum"].dtype == torch.float32


def test_what_is_measured_of_a_tensor_is_known_to_its_update():
    rule = metaopt.per_tensor(
        zeros,
        lambda grad, state, param, hparams, theta, info, measured: -grad / measured["largest"] - state["sum"],
        measure=lambda grad, state, param, hparams, theta, info: ({"largest": grad.max()}, {"sum": state["sum"] + 1}),
        granularity="tensor",
    )
    updates, state = stepped(rule)
    assert rule.granularity == "tensor"
    assert updates["w"].tolist() == [-1.5, -2.0]
    assert state["tensors"]["w"]["sum"].tolist() == [1.0, 1.0]


def test_a_tensor_without_elements_is_not_measured():
    rule = metaopt.per_tensor(
        zeros,
        lambda grad, state, param, hparams, theta, info, measured: grad,
        measure=lambda grad, state, param, hparams, theta, info: ({"largest": grad.max()}, {"sum": state["sum"] + 1}),
    )
    empty = {"w": torch.ones(0, 3)}
    updates, _ = stepped(rule, grads=empty, params=empty)
    assert updates["w"].shape == (0, 3)


def shared_rule():
    """Steps by how many steps were taken before, which all tensors share."""
    return metaopt.per_tensor(
        zeros,
        lambda grad, state, param, hparams, theta, info: (info.signals["rate"] * grad, state),
        shared=(
            lambda theta, horizon: {"count": torch.tensor(1.0)},
            lambda state, theta, info: ({"rate": 10 * state["count"]}, {"count": state["count"] + 1}),
        ),
    )


def test_shared_signals_are_computed_before_the_tensors_are_updated():
    rule = shared_rule()
    updates, state = stepped(rule)
    assert updates["w"].tolist() == [20.0, 40.0]
    assert state["shared"]["count"].item() == 2.0
    updates, _ = rule.update(GRADS, state, PARAMS, HPARAMS, {}, INFO)
    assert updates["w"].tolist() == [40.0, 80.0]


def test_shared_signals_join_those_of_the_host():
    info = StepInfo(step=torch.tensor(0.0), signals={"gradient_norm": torch.tensor(7.0)})
    known, shared = prepared(shared_rule(), {"count": torch.tensor(3.0)}, {}, info)
    assert {name: signal.item() for name, signal in known.signals.items()} == {"gradient_norm": 7.0, "rate": 30.0}
    assert shared["count"].item() == 4.0
    assert info.signals.keys() == {"gradient_norm"}


def test_in_two_passes_a_step_computes_what_it_computes_in_one():
    rule = shared_rule()
    state = rule.init(PARAMS, HPARAMS, {}, None)
    whole_updates, whole_state = rule.update(GRADS, state, PARAMS, HPARAMS, {}, INFO)
    info, shared = prepared(rule, state["shared"], {}, INFO)
    updates, new = prepared_update(rule, GRADS, {**state, "shared": shared}, PARAMS, HPARAMS, {}, info)
    assert updates["w"].tolist() == whole_updates["w"].tolist()
    assert new["shared"]["count"].item() == whole_state["shared"]["count"].item() == 2.0


def test_parameters_to_evaluate_with_are_those_of_evaluation():
    rule = metaopt.per_tensor(
        zeros, accumulate, evaluation=lambda param, state, hparams: (param + state["sum"]).double() * hparams["lr"]
    )
    _, state = stepped(rule)
    evaluated = rule.evaluation_params({**PARAMS, "frozen": torch.ones(1)}, state, HPARAMS)
    assert {name: param.tolist() for name, param in evaluated.items()} == {
        "w": [1.5, 3.0],
        "b": [5.0],
        "frozen": [1.0],
    }
    assert evaluated["w"].dtype == torch.float32


def test_without_evaluation_parameters_are_evaluated_as_they_are():
    rule = metaopt.per_tensor(zeros, accumulate)
    evaluated = rule.evaluation_params(PARAMS, stepped(rule)[1], HPARAMS)
    assert evaluated == PARAMS
    assert evaluated is not PARAMS


def test_state_keys_that_init_did_not_make_are_refused():
    rule = metaopt.per_tensor(zeros, lambda grad, state, param, hparams, theta, info: (grad, {"total": grad}))
    with pytest.raises(metaopt.PluginError, match=r"\{total\}, init made \{sum\}"):
        stepped(rule)


@pytest.mark.parametrize("granularity", ["tree", "sums", "layer", None])
def test_per_tensor_acts_on_coordinates_or_tensors(granularity):
    message = (
        r"granularity must be 'coordinate' or 'tensor', got .*; where one tensor's step depends on others, subclass"
    )
    with pytest.raises(metaopt.PluginError, match=message):
        metaopt.per_tensor(lambda *_: {}, lambda *_: None, granularity=granularity)


@pytest.mark.parametrize("missing", ["init", "update"])
def test_per_tensor_takes_functions(missing):
    with pytest.raises(metaopt.PluginError, match=f"per_tensor: {missing} must be a function, got None"):
        metaopt.per_tensor(**{"init": lambda *_: {}, "update": lambda *_: None, missing: None})
