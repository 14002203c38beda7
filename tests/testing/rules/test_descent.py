"""A rule that lowers nothing at its defaults is caught."""

import pytest
import torch

import metaopt
from metaopt.testing import ConformanceError, NotApplicable
from metaopt.testing.rules.descent import lowers_a_quadratic
from metaopt.testing.rules.subject import DESCENT, Subject


def subject(update, **fields):
    rule = metaopt.per_tensor(lambda *_: {}, update)
    return Subject(metaopt.OptimizerSpec(name="mine", version="1", rule=rule, space=DESCENT.space, **fields))


def test_plain_descent_lowers_a_quadratic():
    lowers_a_quadratic(Subject(DESCENT))


@pytest.mark.parametrize(
    ("factor", "reached"),
    [
        (0.0, "it is 1 times that after 5 steps, 1 times that after 1000 steps"),
        (1.0, "it is "),
        (-1e3, "it is "),
    ],
    ids=["no step", "the wrong sign", "far too large a rate"],
)
def test_what_does_not_go_down_is_caught(factor, reached):
    with pytest.raises(ConformanceError, match="At its defaults it does not lower the loss") as raised:
        lowers_a_quadratic(subject(lambda grad, state, param, hparams, *_: (factor * hparams["lr"] * grad, state)))
    assert reached in raised.value.message


def test_a_loss_is_there_for_a_rule_that_requires_it():
    def update(grad, state, param, hparams, theta, info):
        return -hparams["lr"] * grad * info.loss / info.loss, state

    lowers_a_quadratic(subject(update, requires=frozenset({"loss"})))


def learned(**fields):
    return subject(
        lambda grad, state, param, hparams, theta, info: (-theta["rate"] * grad, state),
        meta=metaopt.MetaTraining(**fields),
    )


def test_weights_that_ship_are_tried():
    def weights(rate):
        return lambda *_: {"rate": torch.tensor(rate)}

    lowers_a_quadratic(learned(init_theta=weights(-0.1), shipped=weights(0.1)))
    with pytest.raises(ConformanceError, match="does not lower"):
        lowers_a_quadratic(learned(init_theta=weights(0.1), shipped=weights(-0.1)))


def test_one_draw_of_several_that_works_is_enough():
    rates = iter((-0.1, -0.1, 0.1))
    lowers_a_quadratic(learned(init_theta=lambda *_: {"rate": torch.tensor(next(rates))}))
    assert next(rates, None) is None


def test_a_rule_trained_over_whole_trainings_says_nothing_before():
    meta = {"init_theta": lambda *_: {"rate": torch.tensor(-0.1)}, "estimator": "pes", "objective": "trajectory"}
    with pytest.raises(NotApplicable, match="No weights come with"):
        lowers_a_quadratic(learned(**meta))
