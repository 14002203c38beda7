"""Conditions between hyperparameters."""

import pytest

from metaopt import Categorical, Float, InputError, When
from metaopt.space import defaults, is_active, ordered

SPACE = {
    "momentum": Float(0.0, 0.99, default=0.9, when=When("kind", among=("sgd", "nag"))),
    "kind": Categorical(("sgd", "nag", "sign")),
    "dampening": Float(0.0, 1.0, default=0.0, when=When("momentum", above=0.5)),
    "lr": Float(1e-5, 1e-1, log=True),
}


def test_a_hyperparameter_without_effect_is_not_active():
    values = defaults(SPACE)
    assert is_active(SPACE, "dampening", values)
    assert not is_active(SPACE, "dampening", {**values, "momentum": 0.5})
    # momentum itself has no effect here, whatever its value
    assert not is_active(SPACE, "dampening", {**values, "kind": "sign"})
    assert is_active(SPACE, "lr", {})


def test_a_condition_comes_after_what_it_depends_on():
    names = ordered(SPACE)
    assert sorted(names) == sorted(SPACE)
    assert names.index("kind") < names.index("momentum") < names.index("dampening")


def test_circles_and_unknown_names_in_conditions_are_refused():
    circle = {name: Float(0, 1, when=When(other, above=0.5)) for name, other in (("a", "b"), ("b", "a"))}
    with pytest.raises(InputError, match=r"\['a', 'b'\].*circle"):
        ordered(circle)
    with pytest.raises(InputError, match=r"\['a'\] name unknown hyperparameters"):
        ordered({"a": Float(0, 1, when=When("nobody", above=0.5))})


@pytest.mark.parametrize("kwargs", [{}, {"among": (1,), "above": 2.0}])
def test_a_condition_is_among_or_above(kwargs):
    with pytest.raises(InputError, match="needs exactly one of among= and above="):
        When("x", **kwargs)
