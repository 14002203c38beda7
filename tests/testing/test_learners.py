"""The kit passes a sound learner and says what is wrong with the others."""

import pytest
import torch

import metaopt
from metaopt import testing


def fit(support, labels, theta, hparams):
    return {"means": (labels / labels.sum(0)).T @ support}


def predict(kept, queries, theta, hparams):
    return -torch.cdist(queries, kept["means"]).square()


def spec(**fields):
    return metaopt.LearnerSpec(**{"name": "mine", "version": "1", "fit": fit, "predict": predict, **fields})


def failed(**fields):
    return {outcome.check: outcome.message for outcome in testing.check(spec(**fields)).failures}


def test_ten_lines_pass():
    assert failed() == {}


def in_place(support, labels, theta, hparams):
    labels /= labels.sum(0)
    return {"means": labels.T @ support}


def transductive(kept, queries, theta, hparams):
    return predict(kept, queries - queries.mean(0), theta, hparams)


def lopsided(kept, queries, theta, hparams):
    return predict(kept, queries, theta, hparams) + torch.arange(len(kept["means"]))


def reading(kept, queries, theta, hparams):
    return predict(kept, queries, theta, hparams) * (2 if float(queries.sum()) > 0 else 1)


def without_gradient(support, labels, theta, hparams):
    return fit(support.detach(), labels, theta, hparams)


def rounded(kept, queries, theta, hparams):
    return predict(kept, queries, theta, hparams).float()


def transposed(kept, queries, theta, hparams):
    return predict(kept, queries, theta, hparams).T


@pytest.mark.parametrize(
    ("fields", "check", "message"),
    [
        ({"fit": in_place}, "leaves_inputs_alone", "Inputs: labels"),
        ({"predict": transductive}, "queries_do_not_see_each_other", "Logits of queries one by one"),
        ({"predict": lopsided}, "numbers_of_classes_mean_nothing", "Logits of classes in another order"),
        ({"predict": reading}, "runs_side_by_side", "vmap"),
        ({"fit": without_gradient}, "gradients_pass", "No gradient reaches the support set"),
        ({"predict": rounded}, "keeps_dtype", "Logits of float64 features are torch.float32"),
        (
            {"predict": transposed},
            "answers_soundly",
            r"predict must give logits of shape (4, 2), got a tensor of shape (2, 4)",
        ),
        ({"fit": lambda *_: torch.ones(2)}, "answers_soundly", "What fit returns must be a dict of tensors by name"),
        ({"init_theta": lambda *_: {"w": torch.rand(2)}}, "theta_is_reproducible", "First weights"),
        ({"classify": lambda features, weights, hparams: features}, "classifies_classes", "shape (5, 7)"),
    ],
)
def test_what_is_wrong_is_said(fields, check, message):
    failures = failed(**fields)
    assert check in failures, failures
    assert message in failures[check]
