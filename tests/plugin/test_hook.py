"""A plugin offers specs through its hook, or is told what its hook must be."""

from types import ModuleType, SimpleNamespace

import pytest
import torch

import metaopt
from metaopt.plugin.hook import check_spec, offered

DESCENT = metaopt.per_tensor(lambda *_: {}, lambda grad, *_: (-grad, {}))
SPEC = metaopt.OptimizerSpec(name="descent", version="1", rule=DESCENT)


def module_of(hook, name="metaopt_plugins", mark=metaopt.hookimpl):
    module = ModuleType("mine")
    setattr(module, name, mark(hook))
    return module


@pytest.mark.parametrize("specs", [[SPEC], (SPEC,), []])
def test_what_the_hook_returns_is_offered(specs):
    assert offered(module_of(lambda: specs), "mine") == list(specs)


def test_an_object_may_be_a_plugin():
    class Mine:
        @metaopt.hookimpl
        def metaopt_plugins(self):
            return [SPEC]

    assert offered(Mine(), "mine") == [SPEC]


def test_a_hook_that_is_not_marked_is_none():
    for plugin in (module_of(lambda: [SPEC], mark=lambda hook: hook), ModuleType("empty")):
        with pytest.raises(metaopt.PluginError, match=r"no metaopt_plugins function marked with @metaopt\.hookimpl"):
            offered(plugin, "mine")


def test_a_hook_with_arguments_that_metaopt_does_not_give_is_refused():
    with pytest.raises(metaopt.PluginError, match=r"it does not fit the hooks of metaopt: .*registry"):
        offered(module_of(lambda registry: [SPEC]), "mine")


def test_a_mistyped_hook_is_refused_by_its_name():
    with pytest.raises(metaopt.PluginError, match=r"it does not fit the hooks of metaopt: .*metaopt_plugin'"):
        offered(module_of(lambda: [SPEC], name="metaopt_plugin"), "mine")


@pytest.mark.parametrize("returned", [None, SPEC, "descent", {SPEC.name: SPEC}])
def test_what_is_no_list_is_refused(returned):
    with pytest.raises(metaopt.PluginError, match="metaopt_plugins must return a list of specs, got"):
        offered(module_of(lambda: returned), "mine")


@pytest.mark.parametrize("entry", [None, "descent", SimpleNamespace(kind="optimizer"), torch.optim.SGD])
def test_what_is_no_spec_is_refused(entry):
    with pytest.raises(metaopt.PluginError, match=r"must return specs such as metaopt\.OptimizerSpec"):
        offered(module_of(lambda: [SPEC, entry]), "mine")
    assert check_spec(SPEC) is SPEC


def test_a_plugin_that_is_refused_stands_in_nobodys_way():
    with pytest.raises(metaopt.PluginError):
        offered(module_of(lambda registry: [SPEC]), "mine")
    assert offered(module_of(lambda: [SPEC]), "mine") == [SPEC]
