"""There is one hook, of no argument, whose every answer counts."""

import pluggy
import pytest

from metaopt.plugin import hookspecs


class Plugin:
    def __init__(self, specs):
        self.specs = specs

    @hookspecs.hookimpl
    def metaopt_plugins(self):
        return self.specs


@pytest.fixture
def manager():
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def test_there_is_one_hook(manager):
    assert [name for name in vars(manager.hook) if not name.startswith("_")] == ["metaopt_plugins"]


def test_what_every_plugin_offers_is_given(manager):
    manager.register(Plugin(["one", "two"]))
    manager.register(Plugin([]))
    assert manager.hook.metaopt_plugins() == [[], ["one", "two"]]


def test_a_hook_of_another_project_is_none_of_metaopts(manager):
    class Other:
        @pluggy.HookimplMarker("other")
        def metaopt_plugins(self):
            return ["other"]

    manager.register(Other())
    assert manager.hook.metaopt_plugins() == []
