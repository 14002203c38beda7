"""A study is continued with what it was begun with, the version of Optuna included."""

import optuna
import pytest

import metaopt
from metaopt.tuning import rebuild

CHOICE = {"optimizers": ["sgd"], "controllers": ["constant"], "wrappers": [], "against": []}


@pytest.mark.slow
def test_another_optuna_does_not_continue_a_study(make_task, url, monkeypatch):
    task = make_task(num_steps=4, num_validations=2)
    metaopt.tune([task], n_trials=2, storage=url, **CHOICE)
    used = optuna.__version__
    monkeypatch.setattr(optuna, "__version__", "99.0")
    with pytest.raises(metaopt.StorageError, match=rf"optuna was '{used}', is '99.0'; .*pip install optuna=={used}\)"):
        metaopt.tune([task], n_trials=3, storage=url, **CHOICE)
    assert len(rebuild(url, corpus=[task]).judged) == 2  # which asks no sampler
    assert len(metaopt.tune([task], n_trials=2, storage=url, study_name="other", **CHOICE).judged) == 2
    monkeypatch.undo()
    assert len(metaopt.tune([task], n_trials=3, storage=url, **CHOICE).judged) == 3


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "\udcff", "a\0b", "/elsewhere", "../elsewhere", "a/../../b", 7])
def test_a_name_that_no_study_can_have_is_refused_before_anything_is_trained(make_task, url, name):
    with pytest.raises(metaopt.InputError, match="--study-name must") as caught:
        metaopt.tune([make_task()], n_trials=1, storage=url, study_name=name, **CHOICE)
    assert len(str(caught.value)) < 200
    with pytest.raises(metaopt.InputError, match="--study-name must"):
        rebuild(url, study_name=name)
