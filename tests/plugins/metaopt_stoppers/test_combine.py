import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaopt import InputError, Observation, ThresholdStopper
from metaopt.contracts import CurveBatch, first_stop, first_stop_of_all, first_stop_of_any
from metaopt.space import encode, resolve
from metaopt_stoppers.budget import BUDGET
from metaopt_stoppers.combine import ALL, ANY
from metaopt_stoppers.divergence import DIVERGENCE
from metaopt_stoppers.patience import PATIENCE
from metaopt_stoppers.target import TARGET

PARTS = ((PATIENCE, {"patience": 3}), (DIVERGENCE, {}), (TARGET, {"target": 0.5}), (BUDGET, {"max_steps": 12}))


def make(spec, parts=PARTS, mode="min"):
    return spec.factory(mode=mode, stoppers=[part(each, hparams, mode) for each, hparams in parts])


def part(spec, hparams, mode="min"):
    values = resolve(spec.space, hparams, spec.name)
    return ThresholdStopper(spec.name, spec.fires, values, mode, spec.required(values), spec.space)


def follow(stopper, values, start=0):
    return [stopper.observe(Observation(start + step, value, 20)) for step, value in enumerate(values, 1)]


def test_any_stops_with_the_first_and_says_which_it_was():
    decisions = follow(make(ANY), [1.0, 2.0, math.nan, 3.0])
    assert [decision.stop for decision in decisions] == [False, False, True, True]
    assert decisions[2].reason.startswith("any: divergence(")
    assert decisions[3].reason == decisions[2].reason


def test_all_stops_with_the_last_and_remembers_who_stopped_before():
    parts = ((TARGET, {"target": 0.5}), (BUDGET, {"max_steps": 4}))
    decisions = follow(make(ALL, parts), [1.0, 0.4, 0.9, 0.9, 0.9])
    assert [decision.stop for decision in decisions] == [False, False, False, True, True]
    assert "target(target=0.5) fired at step 2" in decisions[3].reason
    assert "fired at step 4" in decisions[3].reason


def test_the_best_is_known_throughout():
    decision = follow(make(ANY, mode="max"), [0.1, 0.4, 0.3])[-1]
    assert (decision.best_step, decision.best_value) == (2, 0.4)


def test_they_nest():
    inner = make(ALL, ((TARGET, {"target": 0.5}), (BUDGET, {"max_steps": 2})))
    outer = ANY.factory(mode="min", stoppers=[inner, part(PATIENCE, {"patience": 10})])
    decisions = follow(outer, [0.4, 0.4, 0.4])
    assert [decision.stop for decision in decisions] == [False, True, True]
    assert decisions[1].reason.startswith("any: all: target(")


VALUES = st.lists(st.floats(0, 4, width=16) | st.sampled_from([math.nan, math.inf, None]), min_size=1, max_size=20)


@settings(deadline=None, max_examples=60)
@given(values=VALUES, cut=st.integers(0, 20), spec=st.sampled_from([ANY, ALL]))
def test_a_resumed_one_goes_on_as_if_never_interrupted(values, cut, spec):
    unbroken = follow(make(spec), values)
    first = make(spec)
    before = follow(first, values[:cut])
    second = make(spec)
    second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    assert before + follow(second, values[cut:], start=len(values[:cut])) == unbroken


@settings(deadline=None, max_examples=60)
@given(values=VALUES)
def test_a_replay_finds_the_same_stops_from_those_of_the_parts(values):
    batch = CurveBatch(
        np.array([[math.nan if value is None else value for value in values]]),
        np.arange(1.0, len(values) + 1)[None],
        np.array([[20.0]]),
    )
    parts = [(spec, encode(spec.space, resolve(spec.space, hparams, spec.name))) for spec, hparams in PARTS]
    stops = [first_stop(spec.fires(batch, hparams)) for spec, hparams in parts]
    for spec, combined in ((ANY, first_stop_of_any(stops)), (ALL, first_stop_of_all(stops))):
        observed = [decision.stop for decision in follow(make(spec), values)]
        assert combined.tolist() == [observed.index(True) if True in observed else len(values)]


@pytest.mark.parametrize("spec", [ANY, ALL])
def test_it_is_made_of_at_least_one(spec):
    with pytest.raises(InputError, match=rf"'{spec.name}' is made of others; give stoppers="):
        spec.factory(mode="min", stoppers=[])


def test_parts_of_another_direction_are_refused():
    with pytest.raises(InputError, match="'any' has mode 'max', one of its stoppers has 'min'"):
        ANY.factory(mode="max", stoppers=[part(PATIENCE, {}, "min")])


def test_the_state_of_another_combination_is_refused():
    with pytest.raises(InputError, match="name, mode and number of stoppers are"):
        make(ANY).load_state_dict(make(ALL).state_dict())
    with pytest.raises(InputError, match="name, mode and number of stoppers are"):
        make(ANY).load_state_dict(make(ANY, PARTS[:2]).state_dict())
    with pytest.raises(InputError, match="name is 'divergence', the state's is 'target'"):
        make(ANY, PARTS[1:2]).load_state_dict(make(ANY, PARTS[2:3]).state_dict())
