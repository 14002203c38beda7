"""States of several optimizers, taken apart and put together again."""

import torch

from metaopt.configuration import Configuration, assemble
from metaopt.deploy.state.parts import over_parts, with_own_roles
from metaopt.plugin.registry import current_registry

GROUPS = [{"params": [0], "role": "matrix"}, {"params": [1], "role": "rest"}, {"params": [2], "role": "matrix"}]


def assembly(**roles):
    return assemble(Configuration("adamw", roles=roles), current_registry())


def test_each_part_is_converted_by_itself_and_comes_back_to_its_place():
    first = {**GROUPS[0], "rule": "mine", "shared": {"d": torch.ones(())}, "steps": 4}
    document = {"state": {number: {"x": number} for number in range(3)}, "param_groups": [first, *GROUPS[1:]]}

    def convert(part, own, groups):
        assert part["param_groups"][0]["steps"] == 4
        assert "shared" not in part["param_groups"][0]
        name = own.optimizer.name
        steps = {"sgd": 3, "adamw": 5}[name]
        state = {number: {name: entries["x"]} for number, entries in part["state"].items()}
        converted = [{**group, "by": name} for group in part["param_groups"]]
        return {**part, "state": state, "param_groups": [{**converted[0], "steps": steps}, *converted[1:]]}

    result = over_parts(document, GROUPS, assembly(matrix={"optimizer": "sgd"}), convert)
    assert result["state"] == {0: {"sgd": 0}, 1: {"adamw": 1}, 2: {"sgd": 2}}
    assert [group["by"] for group in result["param_groups"]] == ["sgd", "adamw", "sgd"]
    assert result["param_groups"][0]["rule"] == "mine"
    assert result["param_groups"][0]["steps"] == 5
    assert "steps" not in result["param_groups"][1]


def test_one_optimizer_is_converted_whole():
    document = {"state": {}, "param_groups": GROUPS}
    assert over_parts(document, GROUPS, assembly(), lambda part, own, groups: part) == document


def test_roles_are_those_of_the_optimizer_that_loads():
    saved = [{"params": [0], "role": "head"}, {"params": [1]}]
    own = [{"params": [0]}, {"params": [1], "role": "rest"}]
    assert with_own_roles(saved, own) == [{"params": [0]}, {"params": [1], "role": "rest"}]
