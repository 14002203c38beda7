"""Every plugin that is installed keeps its contract; the kit is the one that users get."""

import pytest

from metaopt import testing
from metaopt.plugin.registry import Registry

pytestmark = pytest.mark.thorough

REGISTRY = Registry.discover()


#: A library's hundred classes without a rule are checked by a few of them, in `plugins/metaopt_pytorch_optimizer`.
SPECS = [entry.spec for entry in REGISTRY if entry.spec.kind != "optimizer" or getattr(entry.spec, "rule", None)]


@pytest.mark.parametrize("check", [check for spec in SPECS for check in testing.checks_for(spec)], ids=str)
def test_a_plugin_keeps_its_contract(check):
    check()


def test_no_built_in_plugin_is_broken():
    assert REGISTRY.faults == []
