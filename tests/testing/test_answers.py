"""What a plugin's function returns is checked where it returns it."""

from collections import OrderedDict

import numpy as np
import pytest
import torch

import metaopt
from metaopt import StepInfo, testing
from metaopt.testing.answers import (
    call_plugin,
    check_tensor_functions,
    describe,
    describe_error,
    require_pair,
    require_same_state,
    require_tensors,
    require_wraps,
)
from metaopt.testing.rules.subject import DESCENT, Subject
from metaopt.testing.samples import parameters

INFO = StepInfo(step=torch.tensor(0.0))


def answer(value=None):
    return value


def test_what_a_function_returns_comes_back():
    assert call_plugin(answer, "value", 3) == 3


def test_a_signature_that_does_not_fit_is_said_with_the_contracts_names():
    with pytest.raises(
        testing.ConformanceError, match=r"answer is called with \(grad, state\), which it does not take"
    ):
        call_plugin(answer, "grad, state", 1, 2)


def test_what_a_function_raises_is_said_with_its_inputs_and_line():
    def halve(value):
        return value / 0

    message = r"^It raised ZeroDivisionError: division by zero \(given a number\)\."
    with pytest.raises(testing.ConformanceError, match=message) as raised:
        call_plugin(halve, "value", 3, inputs="a number")
    assert raised.value.location.source == "return value / 0"


@pytest.mark.parametrize(
    ("function", "signal"),
    [
        (lambda info: info.loss * 2, "loss"),
        (lambda info: info.step / info.horizon, "horizon"),
        (lambda info: info.signals["gradient_norm"], "gradient_norm"),
    ],
)
def test_a_signal_that_nobody_required_is_advised(function, signal):
    with pytest.raises(testing.ConformanceError, match=f'Declare requires={{"{signal}"}}'):
        call_plugin(function, "info", INFO)


def test_another_failure_comes_without_that_advice():
    with pytest.raises(testing.ConformanceError) as raised:
        call_plugin(lambda info: info.signals["absent"], "info", INFO)
    assert "Declare" not in raised.value.message


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("one\ntwo"), "ValueError: one."),
        (KeyError(), "KeyError."),
        (RuntimeError("Stop."), "RuntimeError: Stop."),
    ],
)
def test_an_error_is_described_in_one_line(error, text):
    assert describe_error(error) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.zeros(2, 3), "a tensor of shape (2, 3)"),
        ((torch.zeros(2), None), "(a tensor of shape (2,), None)"),
        ((1,) * 5, "a tuple of 5"),
        ({"b": 1, "a": 2}, "a dict with the keys ['a', 'b']"),
        (3, "an int (3)"),
        ("text", "a str ('text')"),
        ([1], "a list"),
        (np.zeros(2), "a numpy.ndarray"),
    ],
)
def test_values_are_described_by_kind_and_size(value, text):
    assert describe(value) == text


@pytest.mark.parametrize("values", [OrderedDict(), [], {"m": 1}, {1: torch.zeros(1)}])
def test_tensors_are_a_plain_dict_by_name(values):
    require_tensors({"m": torch.zeros(1)}, "The state", answer)
    with pytest.raises(testing.ConformanceError, match="The state must be a dict of tensors by name, got"):
        require_tensors(values, "The state", answer)


@pytest.mark.parametrize("values", [3, (1,), (1, 2, 3), [1, 2]])
def test_a_pair_is_a_tuple_of_two(values):
    require_pair((1, 2), "update, new_state", answer)
    with pytest.raises(testing.ConformanceError, match=r"answer must return \(update, new_state\), got") as raised:
        require_pair(values, "update, new_state", answer)
    assert raised.value.location.source == "return value"


def test_a_new_state_has_the_keys_and_shapes_of_the_old_one():
    old = {"m": torch.zeros(2)}
    require_same_state({"m": torch.ones(2)}, old, answer)
    with pytest.raises(testing.ConformanceError, match=r"state keys \{m, v\}, init made \{m\}"):
        require_same_state({"m": torch.ones(2), "v": torch.ones(2)}, old, answer)
    with pytest.raises(testing.ConformanceError, match=r"'m' of shape \(3,\), init made it of shape \(2,\)"):
        require_same_state({"m": torch.ones(3)}, old, answer)


def rule_of(update, init=lambda param, hparams, theta, horizon: {}):
    return metaopt.per_tensor(init, update)


def test_sound_functions_of_one_tensor_pass():
    check_tensor_functions(Subject(DESCENT).assemble(), DESCENT.rule, parameters(), {})


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (lambda grad, *_: grad, r"must return \(update, new_state\)"),
        (lambda grad, *_: (grad.sum(), {}), r"The update has shape \(\), but the parameter has \(5,\)"),
        (lambda grad, *_: (3, {}), "The update must be a tensor, got an int"),
        (lambda grad, *_: (grad / 0, {}), "The update is not finite"),
        (lambda grad, *_: (grad, {"m": grad}), r"returned the state keys \{m\}, init made \{\}"),
    ],
)
def test_unsound_functions_of_one_tensor_are_caught(update, message):
    with pytest.raises(testing.ConformanceError, match=message):
        check_tensor_functions(Subject(DESCENT).assemble(), rule_of(update), parameters(), {})


def test_a_wrapper_makes_a_rule_of_a_rule():
    def wrapper(wrap):
        return metaopt.WrapperSpec(name="mine", version="1", wrap=wrap)

    require_wraps(Subject(DESCENT, (wrapper(lambda rule: rule),)))
    with pytest.raises(testing.ConformanceError, match="wrap must return a rule, got None, which lacks granularity"):
        require_wraps(Subject(DESCENT, (wrapper(lambda rule: None),)))
