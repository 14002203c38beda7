import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaopt import Categorical, Float, InputError, Int, When
from metaopt.space import defaults, encode, listing, resolve

LR = Float(1e-5, 1e-1, log=True, default=1e-3, valid="(0, inf)")
SPACE = {
    "momentum": Float(0.0, 0.99, default=0.9, when=When("kind", among=("sgd", "nag"))),
    "kind": Categorical(("sgd", "nag", "sign")),
    "lr": LR,
    "dampening": Float(0.0, 1.0, default=0.0, when=When("momentum", above=0.5)),
    "layers": Int(1, 8, default=2, valid="[1, inf)"),
    "bias": Categorical((True, False), default=False),
}
DOMAINS = st.sampled_from(
    [Float(-2.0, 3.0), LR, Float(0.5, 0.5), Int(0, 7), Int(1, 1000, log=True), Categorical(("a", "b", "c"))]
)


@given(DOMAINS, st.floats(0, 1))
def test_whatever_tuning_proposes_is_valid_and_is_found_again(domain, unit):
    value = domain.from_unit(unit)
    assert domain.check("x", value) == value
    again = domain.from_unit(domain.to_unit(value))
    assert again == pytest.approx(value) if isinstance(value, float) else again == value


@given(st.sampled_from([Float(-2.0, 3.0), LR, Int(0, 7), Int(1, 1000, log=True)]))
def test_the_ends_of_the_unit_interval_are_the_ends_of_the_range(domain):
    assert (domain.from_unit(0.0), domain.from_unit(1.0)) == (domain.low, domain.high)
    assert (domain.to_unit(domain.low), domain.to_unit(domain.high)) == (0.0, 1.0)


def test_a_logarithmic_scale_halves_orders_of_magnitude():
    assert LR.from_unit(0.5) == pytest.approx(1e-3)
    assert Int(1, 100, log=True).from_unit(0.5) == 10


def test_what_a_person_gives_outside_the_tuning_range_is_the_nearest_end_to_tuning():
    assert LR.check("lr", 5.0) == 5.0
    assert LR.to_unit(5.0) == 1.0


def test_a_left_out_default_is_the_middle_or_the_first_choice():
    assert Float(0.0, 4.0).default == 2.0
    assert Float(1e-4, 1e-2, log=True).default == pytest.approx(1e-3)
    assert Int(0, 10).default == 5
    assert Categorical(("x", "y")).default == "x"


@pytest.mark.parametrize("value", ["0.1", None, math.nan, True, 0.0, -1.0])
def test_a_number_that_is_none_or_out_of_range_is_refused_with_the_range(value):
    with pytest.raises(InputError, match=r"lr must be .* in \(0, inf\), got|lr must be in \(0, inf\), got"):
        LR.check("lr", value)


@pytest.mark.parametrize("value", [1.5, "2", True, 0, math.inf, math.nan, None])
def test_a_count_must_be_whole(value):
    with pytest.raises(InputError, match=r"layers must be a whole number in \[1, inf\), got"):
        SPACE["layers"].check("layers", value)


def test_a_whole_float_is_a_count():
    value = SPACE["layers"].check("layers", 3.0)
    assert value == 3
    assert isinstance(value, int)


def test_a_choice_outside_the_list_is_refused_with_the_list():
    with pytest.raises(InputError, match=r"kind must be one of \['sgd', 'nag', 'sign'\], got 'adam'"):
        SPACE["kind"].check("kind", "adam")


def test_one_is_not_true():
    assert Categorical((1, 2)).check("x", 1) == 1
    with pytest.raises(InputError, match="must be one of"):
        Categorical((1, 2)).check("x", True)
    with pytest.raises(InputError, match="must be one of"):
        SPACE["bias"].check("bias", 1)


def test_what_is_not_given_has_its_default():
    values = resolve(SPACE, {"lr": 0.1, "kind": "nag"}, "mine")
    assert values == {**defaults(SPACE), "lr": 0.1, "kind": "nag"}


def test_an_unknown_name_is_refused_with_a_guess_and_the_list():
    with pytest.raises(InputError, match=r"mine has no hyperparameter 'momentun'; did you mean 'momentum'\? valid: "):
        resolve(SPACE, {"momentun": 0.5}, "mine")
    with pytest.raises(InputError, match=r"has no hyperparameter 'x'; valid: none"):
        resolve({}, {"x": 1}, "mine")


def test_a_bad_value_is_refused_with_its_owner():
    with pytest.raises(InputError, match=r"mine\.lr must be in \(0, inf\), got -1"):
        resolve(SPACE, {"lr": -1}, "mine")


def test_rules_see_numbers():
    values = resolve(SPACE, {"kind": "sign", "bias": True}, "mine")
    numbers = encode(SPACE, values)
    assert numbers["kind"] == 2.0
    assert numbers["bias"] == 1.0
    assert numbers["layers"] == 2.0
    assert all(isinstance(number, float) for number in numbers.values())
    assert encode({"size": Categorical((16, 64))}, {"size": 64}) == {"size": 64.0}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Float(1.0, 0.0), "low <= high, got low=1.0, high=0.0"),
        (lambda: Float(0.0, math.inf), "Bounds must be finite"),
        (lambda: Int(0, 5, log=True), "A log scale needs low > 0, got low=0"),
        (lambda: Float(0.0, 1.0, default=2.0), r"default must be in \[0, 1\], got 2.0"),
        (lambda: Float(0.0, 1.0, valid="0 to 1"), "An interval looks like"),
        (lambda: Categorical(()), "at least one choice"),
        (lambda: Categorical(("a", "a")), "no repeats"),
        (lambda: Categorical(("a",), default="b"), "default must be one of"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_the_listing_names_everything_a_person_may_give():
    assert listing(SPACE) == (
        "bias [True, False], dampening [0, 1], kind ['sgd', 'nag', 'sign'], layers [1, inf), lr (0, inf), "
        "momentum [0, 0.99]"
    )


def test_a_choice_may_be_open_to_people_and_closed_to_tuning():
    unit = Categorical(("auto", "steps"), proposed=("auto",))
    assert {unit.from_unit(u) for u in (0.0, 0.5, 1.0)} == {"auto"}
    assert unit.check("unit", "steps") == "steps"
    assert unit.encode("steps") == 1.0
    assert unit.to_unit("steps") == unit.to_unit("auto") == 0.5
    with pytest.raises(InputError, match="proposed must be one of"):
        Categorical(("auto",), proposed=("steps",))
    with pytest.raises(InputError, match=r"at least one choice that tuning proposes, got proposed=\(\)"):
        Categorical(("auto",), proposed=())
