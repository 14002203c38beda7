import numpy as np
import pytest

import metaopt
from metaopt.deploy.stopping.configuration import StopperConfiguration, build_stopper


def test_stoppers_by_name():
    stopper = metaopt.create_stopper("patience", patience=2, mode="max")
    values = [0.5, 0.6, 0.6, 0.6]
    decisions = [stopper.observe(metaopt.Observation(step, value)) for step, value in enumerate(values, 1)]
    assert [decision.stop for decision in decisions] == [False, False, False, True]
    assert decisions[-1].best_step == 2


def test_stoppers_combine_stoppers_and_names():
    either = metaopt.create_stopper("any", stoppers=[metaopt.create_stopper("target", target=0.1), "divergence"])
    assert not either.observe(metaopt.Observation(1, 0.5)).stop
    assert either.observe(metaopt.Observation(2, 0.05)).stop


def test_what_cannot_work_is_refused_with_what_to_do():
    with pytest.raises(metaopt.InputError, match=r"'patience' combines no others"):
        metaopt.create_stopper("patience", stoppers=["target"])
    with pytest.raises(metaopt.InputError, match=r"must hold stoppers or their names, got 3"):
        metaopt.create_stopper("any", stoppers=[3])
    with pytest.raises(metaopt.PluginError, match="There is no stopper 'patienc'; did you mean 'patience'"):
        metaopt.create_stopper("patienc")
    with pytest.raises(metaopt.InputError, match=r"got also \['patience'\]"):
        StopperConfiguration.from_json({"name": "patience", "patience": 3})
    with pytest.raises(metaopt.InputError, match="mode must be 'min' or 'max', got 'auto'"):
        metaopt.create_stopper("patience", mode="auto")


def test_a_description_in_json_builds_the_same_stopper():
    described = StopperConfiguration("all", stoppers=(StopperConfiguration("target", {"target": 0.1}), STEPS))
    assert StopperConfiguration.from_json(described.to_json()) == described
    assert hash(StopperConfiguration.from_json(described.to_json())) == hash(described)
    stopper = build_stopper(described, mode="min")
    seen = [(1, 0.05), (5, 0.05)]
    assert [stopper.observe(metaopt.Observation(*step_and_value, horizon=10)).stop for step_and_value in seen] == [
        False,
        True,
    ]


STEPS = StopperConfiguration("budget", {"max_steps": 3})


def test_reasons_give_hyperparameters_as_they_were_written():
    stopper = metaopt.create_stopper("patience", patience=1, min_delta_mode="rel")
    for step in range(3):
        decision = stopper.observe(metaopt.Observation(step, 1.0))
    assert "min_delta_mode=rel" in decision.reason


def test_a_stopper_prints_without_the_arrays_that_it_learned():
    children = (StopperConfiguration("patience", {"patience": 3}), StopperConfiguration("divergence"))
    assert repr(StopperConfiguration("any", stoppers=children)) == (
        "StopperConfiguration(name='any', stoppers=['patience', 'divergence'])"
    )
    assert repr(children[0]) == "StopperConfiguration(name='patience', hparams={'patience': 3})"
    assert repr(StopperConfiguration("learned", theta={"weights": np.ones((100, 100))})) == (
        "StopperConfiguration(name='learned', theta=['weights'])"
    )
