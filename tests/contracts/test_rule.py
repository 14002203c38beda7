"""The order in which a rule fills its dicts means nothing; its keys mean all."""

import pytest
import torch

from metaopt import PluginError
from metaopt.contracts.rule import empty_state, in_order, keys_in_order

A, B, C = torch.tensor(1.0), torch.tensor(2.0), torch.tensor(3.0)


def test_new_keys_come_in_the_order_of_the_old_ones():
    ordered = keys_in_order({"b": B, "a": A}, {"a": C, "b": C})
    assert list(ordered) == ["a", "b"]
    assert ordered["a"] is A
    assert ordered["b"] is B


@pytest.mark.parametrize("new", [{"a": A}, {"a": A, "b": B, "c": C}, {"a": A, "c": C}])
def test_other_keys_are_refused_with_both_sets_of_them(new):
    with pytest.raises(PluginError, match=r"keys \{" + ", ".join(sorted(new)) + r"\}, init made \{a, b\}"):
        keys_in_order(new, {"b": C, "a": C})


def test_a_long_list_of_keys_is_cut_at_eighty_characters():
    with pytest.raises(PluginError) as refused:
        keys_in_order({f"key_{number:03}": A for number in range(100)}, {})
    shown = str(refused.value).partition("{")[2].partition("}")[0]
    assert len(shown) == 80
    assert shown.endswith("…")


def test_tensors_their_keys_and_the_shared_state_are_put_in_order():
    old = {"tensors": {"w": {"m": A, "v": A}, "b": {"m": A}}, "shared": {"loss": A, "step": A}}
    new = {"tensors": {"b": {"m": B}, "w": {"v": C, "m": B}}, "shared": {"step": C, "loss": B}}
    ordered = in_order(new, old)
    assert list(ordered["tensors"]) == ["w", "b"]
    assert list(ordered["tensors"]["w"]) == ["m", "v"]
    assert list(ordered["shared"]) == ["loss", "step"]
    assert ordered == new


def test_state_for_a_tensor_that_init_did_not_know_is_refused():
    with pytest.raises(PluginError, match="'b', which init made no state for"):
        in_order({"tensors": {"w": {}, "b": {}}, "shared": {}}, {"tensors": {"w": {}}, "shared": {}})


def test_state_that_misses_a_tensor_is_refused():
    with pytest.raises(PluginError, match=r"keys \{\}, init made \{m\}"):
        in_order(empty_state(), {"tensors": {"w": {"m": A}}, "shared": {}})


def test_empty_states_share_no_dicts():
    filled = empty_state()
    filled["tensors"]["w"] = {"m": A}
    filled["shared"]["step"] = A
    assert empty_state() == {"tensors": {}, "shared": {}}
