"""What a configuration has of its own for a role."""

import pytest

import metaopt
from metaopt import InputError, Role
from metaopt.configuration import Configuration


def test_roles_are_read_from_json_and_written_as_short_as_they_are():
    document = {"matrix": {"optimizer": "lion"}, "input": {"rate": 0.25}, "head": {}, "vector": {"weight_decay": 0}}
    configuration = Configuration("adamw", roles=document)
    assert configuration.roles == {
        "matrix": Role("lion"),
        "input": Role(rate=0.25),
        "vector": Role(weight_decay=0.0),
    }
    written = configuration.to_json()
    assert written["roles"] == {
        "matrix": {"optimizer": "lion"},
        "input": {"rate": 0.25},
        "vector": {"weight_decay": 0.0},
    }
    assert Configuration.from_json(written) == configuration
    assert configuration.optimizers == ("adamw", "lion")


def test_a_configuration_without_roles_is_written_and_known_as_before():
    plain = Configuration("adamw", "cosine", hparams={"adamw.lr": 1e-3})
    assert set(plain.to_json()) == {"optimizer", "controller", "wrappers", "hparams", "no_decay"}
    assert plain.key == "96bb46f3959b1553"
    assert Configuration("adamw", "cosine", hparams={"adamw.lr": 1e-3}, roles={"head": {}}, depth_decay=1) == plain


def test_keys_depend_on_roles_and_not_on_their_order_or_types_of_numbers():
    first = Configuration("adamw", roles={"input": {"rate": 2}, "head": {"rate": 0.5}})
    second = Configuration("adamw", roles={"head": Role(rate=0.5), "input": Role(rate=2.0)})
    assert first == second
    others = [{"roles": {"input": {"rate": 3}}}, {"roles": {"head": {"rate": 2}}}, {"depth_decay": 0.9}, {}]
    assert len({Configuration("adamw", **other).key for other in others} | {first.key}) == 5


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"roles": {"matrx": {}}}, r"^roles: A role is one of matrix, .*'matrx'; did you mean 'matrix'"),
        (
            {"roles": {"matrix": "lion"}},
            r"roles: matrix must have settings, got 'lion'; write \{'matrix': \{",
        ),
        ({"roles": {"matrix": 3}}, r"roles: matrix must have settings such as \{'rate': 0.25\}, got 3"),
        ({"roles": ["matrix"]}, r"roles must map roles to their settings"),
        ({"roles": {"head": {"rate": 0}}}, r"The rate of a role is a factor above 0, got 0"),
        ({"roles": {"head": {"rate": True}}}, r"The rate of a role is a factor above 0, got True"),
        ({"roles": {"head": {"weight_decay": -1}}}, r"The weight_decay of a role is 0 or more, got -1"),
        ({"roles": {"head": {"optimizer": 1}}}, r"The optimizer of a role is a plugin's name, got 1"),
        ({"roles": {"input": {"fan_in": 0}}}, r"The fan_in of a role is a number above 0, got 0"),
        ({"roles": {"input": {"fan_in": "wide"}}}, r"The fan_in of a role is a number above 0, got 'wide'"),
        ({"roles": {"head": {"lr": 1}}}, r"lr"),
        ({"depth_decay": 0}, r"depth_decay is a factor above 0, got 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(fields, message):
    with pytest.raises(InputError, match=message):
        Configuration("adamw", **fields)


def test_a_fan_in_slows_what_sees_more_and_is_written_where_it_is_stated():
    role = Role(fan_in=64)
    assert role.to_json() == {"fan_in": 64.0}
    assert [role.share(width) for width in (0, 1, 64, 128, 640)] == [1.0, 1.0, 1.0, 0.5, 0.1]
    assert Role().share(10_000) == 1.0
    assert Configuration("adamw", roles={"input": {"fan_in": 64}}).key != Configuration("adamw").key


def test_the_factor_of_the_input_can_be_left_out_for_weights_that_are_trained_already():
    roles = {"input": Role("sgd", rate=0.5, fan_in=64, weight_decay=0.1), "matrix": Role(fan_in=64)}
    left = Configuration("adamw", roles=roles).without_input_factor
    assert left.roles == {"input": Role("sgd", weight_decay=0.1), "matrix": Role(fan_in=64)}
    slowed, plain = Configuration("adamw", roles={"input": Role(fan_in=64)}), Configuration("adamw")
    assert slowed.without_input_factor == plain == plain.without_input_factor


def test_it_is_a_public_name():
    assert metaopt.Role(rate=0.5).to_json() == {"rate": 0.5}
