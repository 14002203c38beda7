"""Every plugin that is installed keeps its contract; the kit is the one that users get."""

import pytest

from metaopt import testing
from metaopt.plugin.registry import Registry

pytestmark = pytest.mark.thorough

REGISTRY = Registry.discover()


@pytest.mark.parametrize("check", [check for entry in REGISTRY for check in testing.checks_for(entry.spec)], ids=str)
def test_a_plugin_keeps_its_contract(check):
    check()


def test_no_built_in_plugin_is_broken():
    assert REGISTRY.faults == []
