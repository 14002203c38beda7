"""A saved state meets each parameter under its name, in whatever order it was saved."""

import pytest
import torch

import metaopt
from metaopt.deploy.state.arrangement import arranged, check_document
from metaopt.deploy.state.model_names import ModelNames


def document(*groups, **first):
    """A state in which each parameter's state is its name; groups are lists of names."""
    numbers = iter(range(100))
    param_groups = [
        {"lr": index + 1.0, "params": [next(numbers) for _ in names], "param_names": list(names)}
        for index, names in enumerate(groups)
    ]
    param_groups[0].update(first)
    names = [name for group in groups for name in group]
    return {"param_groups": param_groups, "state": dict(enumerate(names))}


def own_groups(*groups):
    return [{"params": [torch.zeros(1) for _ in names], "param_names": list(names)} for names in groups]


def states(result):
    """The states by group, in the order of the parameters."""
    return [[result["state"][number] for number in group["params"]] for group in result["param_groups"]]


def unnamed(groups):
    return [{key: value for key, value in group.items() if key != "param_names"} for group in groups]


def test_parameters_are_matched_by_name_in_any_order():
    result = arranged(document(["a", "b", "c"]), own_groups(["c", "a", "b"]), ModelNames())
    assert states(result) == [["c", "a", "b"]]
    assert result["param_groups"][0]["param_names"] == ["c", "a", "b"]


def test_groups_keep_their_own_settings_in_another_order():
    result = arranged(document(["a"], ["b", "c"]), own_groups(["c", "b"], ["a"]), ModelNames())
    assert states(result) == [["c", "b"], ["a"]]
    assert [group["lr"] for group in result["param_groups"]] == [2.0, 1.0]


def test_what_the_first_group_keeps_for_all_stays_with_the_first():
    result = arranged(document(["a"], ["b"], steps=7), own_groups(["b"], ["a"]), ModelNames(), ("steps",))
    assert [group.get("steps") for group in result["param_groups"]] == [7, None]


def test_what_wrappers_put_into_names_makes_no_difference():
    result = arranged(document(["module.a", "module.b"]), own_groups(["b", "a"]), ModelNames())
    assert states(result) == [["module.b", "module.a"]]


def test_states_of_parameters_that_are_frozen_now_are_left_out():
    frozen = torch.zeros(1)
    groups = own_groups(["b"])
    model = ModelNames(names={frozen: "a", groups[0]["params"][0]: "b"}, frozen=(frozen,))
    result = arranged(document(["a", "b"]), groups, model)
    assert states(result) == [["b"]]
    assert list(result["state"].values()) == ["b"]


@pytest.mark.parametrize(
    ("saved", "own", "sentence"),
    [
        ([["a", "b"]], [["a"]], r"holds 'b', which is not trained here"),
        ([["a"]], [["a", "b"]], r"lacks 'b' here"),
        ([["a", "b"]], [["a"], ["b"]], r"has other param groups: 'a' and 'b' do not share theirs"),
        ([["a"], ["b"]], [["a", "b"]], r"has other param groups"),
    ],
)
def test_other_parameters_or_other_groups_are_refused_by_name(saved, own, sentence):
    with pytest.raises(metaopt.InputError, match=sentence):
        arranged(document(*saved), own_groups(*own), ModelNames())


def test_without_names_on_one_side_places_count():
    saved = document(["a", "b"], ["c"])
    saved["param_groups"] = unnamed(saved["param_groups"])
    result = arranged(saved, unnamed(own_groups(["x", "y"], ["z"])), ModelNames())
    assert states(result) == [["a", "b"], ["c"]]
    with pytest.raises(
        metaopt.InputError, match=r"it has 2 groups of 2, 1 parameters, the optimizer has one group of 3 parameters"
    ):
        arranged(saved, unnamed(own_groups(["x", "y", "z"])), ModelNames())


def test_the_document_itself_is_left_as_it_was():
    saved = document(["a", "b"], steps=7)
    arranged(saved, own_groups(["b", "a"]), ModelNames(), ("steps",))
    assert saved == document(["a", "b"], steps=7)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        {"param_groups": [], "state": {}},
        {"param_groups": [{"params": []}]},
        {"param_groups": [{}], "state": {}},
    ],
)
def test_what_is_no_state_dict_is_refused(wrong):
    with pytest.raises(metaopt.InputError, match=r"This is no optimizer's state_dict"):
        check_document(wrong)
    assert check_document(document(["a"])) is None
