"""The kit passes sound weightings and surgeries and says what is wrong with the others."""

import pytest
import torch

import metaopt
from metaopt import testing


def weigh(losses, state, hparams, info):
    return torch.ones_like(losses), state


def mix(gram, state, hparams, info):
    return torch.full_like(gram[0], 1 / len(gram)), state


def weighting(**fields):
    return metaopt.WeightingSpec(**{"name": "mine", "version": "1", "weigh": weigh, **fields})


def surgery(**fields):
    return metaopt.SurgerySpec(**{"name": "mine", "version": "1", "mix": mix, **fields})


def failed(spec):
    return {outcome.check: outcome.message for outcome in testing.check(spec).failures}


@pytest.mark.parametrize("spec", [weighting(), surgery(), surgery(mix=None, combine=lambda g, s, h, i: (g.mean(0), s))])
def test_a_line_passes(spec):
    assert failed(spec) == {}


def reading(losses, state, hparams, info):
    return losses * 0 + (2.0 if float(losses.sum()) > 0 else 1.0), state


def first_counts(losses, state, hparams, info):
    return 1.0 + (torch.arange(len(losses)) == 0), state


def in_place(losses, state, hparams, info):
    return losses.mul_(2) * 0 + 1, state


def negative(losses, state, hparams, info):
    return -torch.ones_like(losses), state


def dividing(gram, state, hparams, info):
    return 1 / gram.diagonal(), state


def ascending(gram, state, hparams, info):
    return -torch.ones_like(gram[0]), state


def forgetting(losses, state, hparams, info):
    return torch.ones_like(losses), {}


@pytest.mark.parametrize(
    ("spec", "check", "message"),
    [
        (weighting(weigh=reading), "runs_side_by_side", "vmap"),
        (weighting(weigh=first_counts), "order_of_tasks_means_nothing", "Numbers of tasks in another order"),
        (weighting(weigh=in_place), "leaves_inputs_alone", "What it was given"),
        (weighting(weigh=negative), "tasks_that_agree_descend", "Weights must be positive, got -1"),
        (weighting(weigh=lambda *_: torch.ones(2)), "answers_soundly", "must return (numbers, state)"),
        (
            weighting(weigh=forgetting, init=lambda tasks, hparams: {"n": torch.zeros(())}),
            "answers_soundly",
            "state keys",
        ),
        (surgery(mix=dividing), "odd_gradients_are_survived", "not finite"),
        (surgery(mix=ascending), "tasks_that_agree_descend", "at a cosine of -1.000"),
        (surgery(mix=lambda g, s, h, i: (g, s)), "answers_soundly", "must give a tensor of shape (1,)"),
    ],
)
def test_what_is_wrong_is_said(spec, check, message):
    failures = failed(spec)
    assert check in failures, failures
    assert message in failures[check]
