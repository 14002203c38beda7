"""A rule that computes from anything but its arguments, or changes them, is caught."""

import pytest
import torch

import metaopt
from metaopt.testing import ConformanceError, NotApplicable
from metaopt.testing.rules.purity import (
    CHECKS,
    granularity_is_true,
    is_deterministic,
    is_pure,
    leaves_inputs_alone,
    state_is_its_own,
)
from metaopt.testing.rules.subject import DESCENT, Subject


def zeros(param, hparams, theta, horizon):
    return {"m": torch.zeros_like(param)}


def subject(update, init=zeros, granularity="coordinate"):
    rule = metaopt.per_tensor(init, update, granularity=granularity)
    return Subject(metaopt.OptimizerSpec(name="mine", version="1", rule=rule, space=DESCENT.space))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_plain_descent_is_pure(check):
    check(Subject(DESCENT))


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (lambda grad, state, *_: (grad if grad.sum() > 0 else -grad, state), "It decides by Python"),
        (lambda grad, state, *_: (grad * float(grad.sum()), state), "It reads a tensor's value"),
    ],
)
def test_a_decision_by_value_is_explained(update, message):
    with pytest.raises(ConformanceError, match=message):
        is_pure(subject(update))


def test_writing_to_the_state_is_caught():
    def update(grad, state, param, hparams, theta, info):
        return -grad, {"m": state["m"].add_(grad)}

    with pytest.raises(ConformanceError, match="It writes in place"):
        leaves_inputs_alone(subject(update))


def test_changing_the_dict_of_a_state_is_caught():
    def update(grad, state, param, hparams, theta, info):
        state["m"] = state["m"] + grad
        return -grad, state

    with pytest.raises(ConformanceError, match="It changes a dict that it was given"):
        leaves_inputs_alone(subject(update))


def test_a_state_in_the_memory_of_a_parameter_or_gradient_is_caught():
    with pytest.raises(ConformanceError, match="after 0 steps is a parameter's or a gradient's own memory"):
        state_is_its_own(subject(lambda grad, state, *_: (-grad, state), lambda param, *_: {"m": param}))
    with pytest.raises(ConformanceError, match="after 1 steps is a parameter's or a gradient's own memory"):
        state_is_its_own(subject(lambda grad, state, *_: (-grad, {"m": grad})))


def test_random_numbers_are_caught():
    with pytest.raises(ConformanceError, match="It draws from the global random generator"):
        is_deterministic(subject(lambda grad, state, *_: (grad * torch.rand(()), state)))


def test_what_is_remembered_outside_the_state_is_caught():
    calls = []

    def update(grad, state, param, hparams, theta, info):
        calls.append(1)
        return -len(calls) * grad, state

    with pytest.raises(ConformanceError, match="The second run"):
        is_deterministic(subject(update))


def normed(grad, state, param, hparams, theta, info):
    return -grad / (1 + grad.norm()), state


def test_a_norm_of_a_tensor_is_no_matter_of_coordinates():
    with pytest.raises(ConformanceError, match="granularity is 'coordinate', but laid end to end"):
        granularity_is_true(subject(normed))
    granularity_is_true(subject(normed, granularity="tensor"))


def test_a_rule_of_the_whole_tree_may_mix_all():
    class Whole(metaopt.Rule):
        granularity = "tree"

        def init(self, params, hparams, theta, horizon):
            return {"tensors": {name: {} for name in params}, "shared": {}}

        def update(self, grads, state, params, hparams, theta, info):
            return {name: -grad for name, grad in grads.items()}, state

    with pytest.raises(NotApplicable, match="may mix all parameters"):
        granularity_is_true(Subject(metaopt.OptimizerSpec(name="mine", version="1", rule=Whole())))


class Orthogonal(metaopt.Rule):
    """Steps along the polar factor of the gradient, which a vector has none of."""

    granularity = "tensor"

    def init(self, params, hparams, theta, horizon):
        return {"tensors": {name: {} for name in params}, "shared": {}}

    def update(self, grads, state, params, hparams, theta, info):
        updates = {name: -hparams[name]["lr"] * self.polar(grad).to(grad.dtype) for name, grad in grads.items()}
        return updates, state

    def polar(self, grad):
        matrix = grad.float().flatten(1)
        norm = torch.linalg.matrix_norm(matrix).clamp(min=1e-6)
        return (1.5 * matrix / norm - 0.5 * matrix @ matrix.mT @ matrix / norm**3).reshape(grad.shape)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_rule_of_matrices_is_tried_on_matrices(check):
    fields = {"name": "mine", "version": "1", "rule": Orthogonal(), "space": DESCENT.space}
    check(Subject(metaopt.OptimizerSpec(**fields, takes="matrices")))
    with pytest.raises((ConformanceError, IndexError, RuntimeError)):
        check(Subject(metaopt.OptimizerSpec(**fields)))
