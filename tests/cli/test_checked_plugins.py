"""The plugins that names, entry points, distributions and folders stand for."""

from functools import partial

import pytest
import torch

from metaopt import DeferredOptimizer, PluginError, StopperSpec, optimizer_spec
from metaopt.cli.checked_plugins import chosen, names_of
from metaopt.plugin import Entry, current_registry
from metaopt.plugin.registry import Fault, Registry
from metaopt.plugin.source import PluginSource


@pytest.mark.parametrize("name", ["wrappers", "metaopt_wrappers"])
def test_an_entry_point_stands_for_its_plugins(name):
    known = current_registry()
    found = {(spec.kind, spec.name) for spec in chosen([name], "", known)}
    names = ("averaged", "cautious", "clip", "dog", "dowg", "ldog", "lookahead", "mechanic")
    assert found == {("wrapper", name) for name in names}


@pytest.mark.parametrize("name", ["metaopt-torch", "metaopt_torch"])
def test_a_distribution_stands_for_its_plugins_of_a_kind(name):
    known = current_registry()
    found = [spec.name for spec in chosen([name], "stopper", known)]
    assert sorted(found) == known.names(StopperSpec)


def test_a_distribution_that_cannot_be_loaded_says_why():
    known = Registry()
    known.faults.append(Fault(PluginSource("metaopt-broken", "1.0", "broken = metaopt_broken"), "ImportError: no x"))
    for name in ("metaopt-broken", "metaopt_broken", "broken"):
        with pytest.raises(PluginError, match=r"Plugin metaopt-broken 1.0 .* cannot be loaded: ImportError: no x"):
            chosen([name], "", known)


def test_a_name_that_is_installed_is_not_looked_for_as_a_folder(tmp_path, monkeypatch):
    (tmp_path / "metaopt-torch").mkdir()
    monkeypatch.chdir(tmp_path)
    known = current_registry()
    assert sorted(spec.name for spec in chosen(["metaopt-torch"], "stopper", known)) == known.names(StopperSpec)


def test_each_plugin_is_meant_once_in_the_order_of_the_names():
    found = chosen(["target", "cosine", "metaopt_stoppers", "cosine"], "", current_registry())
    assert [spec.name for spec in found[:2]] == ["target", "cosine"]
    assert len(found) == 1 + len(current_registry().names(StopperSpec))


def test_a_source_may_be_called_by_its_distribution_however_spelt_its_entry_point_or_what_that_points_to():
    source = PluginSource("Metaopt_Small.Step", "0.1", "small = metaopt_small:plugin")
    spellings = {"metaopt-small-step", "metaopt_small_step", "metaopt.small.step"}
    assert names_of(source) == {"Metaopt_Small.Step", *spellings, "small", "metaopt_small:plugin"}


def test_a_file_is_not_called_by_its_path_as_by_an_entry_point():
    assert names_of(PluginSource("(file)", "", "mine.py")) == {"(file)"}


@pytest.mark.parametrize("name", ["library", "metaopt_library", "mine", "metaopt-torch"])
def test_classes_of_another_library_are_checked_by_their_entry_point_and_not_with_all_the_rest(name):
    known = Registry()
    make = partial(optimizer_spec, torch.optim.SGD, name="mine", version="1")
    source = PluginSource("metaopt-torch", "1.0", "library = metaopt_library")
    known._add(Entry(DeferredOptimizer(name="mine", version="1", make=make), source), strict=True)
    if name == "metaopt-torch":
        with pytest.raises(PluginError, match="There is no plugin, distribution or entry point 'metaopt-torch'"):
            chosen([name], "", known)
    else:
        assert [spec.rule for spec in chosen([name], "", known)] == [None]
