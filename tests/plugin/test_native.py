"""A class beside a rule is described by keywords, each of which is known."""

import dataclasses

import pytest

import metaopt


def test_a_description_needs_a_module_and_a_class_and_claims_nothing_else():
    native = metaopt.Native(module="torch.optim", qualname="AdamW")
    assert native.distribution == "torch"
    assert (native.fused, native.modes, native.arguments) == (False, False, None)
    assert dict(native.fixed) == dict(native.group_state) == {}


def test_a_mistyped_keyword_is_the_plugins_fault():
    with pytest.raises(metaopt.PluginError, match="did you mean 'qualname'"):
        metaopt.Native(module="torch.optim", qualnam="AdamW")


def test_a_description_does_not_change():
    native = metaopt.Native(module="torch.optim", qualname="AdamW")
    with pytest.raises(dataclasses.FrozenInstanceError):
        native.qualname = "SGD"
    assert dataclasses.replace(native, fused=True) != native
