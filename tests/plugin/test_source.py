"""Where a plugin came from is said in one line, and a file knows what it may take the place of."""

import importlib
import sys

import pytest

from metaopt.plugin.source import FILE, SESSION, PluginSource

INSTALLED = PluginSource("metaopt-small", "1.2", "small = metaopt_small:plugin")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A module that is imported from a file."""
    (tmp_path / "metaopt_small.py").write_text("plugin = 1\n")
    (tmp_path / "copy.py").write_text("plugin = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("metaopt_small")
    yield tmp_path
    del sys.modules["metaopt_small"]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (INSTALLED, "metaopt-small 1.2 (small = metaopt_small:plugin)"),
        (PluginSource(FILE, "", "mine.py"), "(file) (mine.py)"),
        (PluginSource(SESSION), "(session)"),
    ],
)
def test_it_is_named_by_what_is_known_of_it(source, line):
    assert str(source) == line


def test_only_a_plugin_file_is_a_file():
    assert [source.is_file for source in (INSTALLED, PluginSource(FILE, "", "mine.py"), PluginSource(SESSION))] == [
        False,
        True,
        False,
    ]


def test_every_source_replaces_itself_and_an_installed_one_no_other():
    other = PluginSource("metaopt-small", "1.3", "small = metaopt_small:plugin")
    for source in (INSTALLED, other, PluginSource(SESSION), PluginSource(FILE, "", "mine.py")):
        assert source.replaces(source)
    assert not INSTALLED.replaces(other)
    assert not PluginSource(SESSION).replaces(INSTALLED)


def test_a_file_is_the_same_by_whichever_path_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative, absolute = (PluginSource(FILE, "", path) for path in ("mine.py", str(tmp_path / "mine.py")))
    assert relative.replaces(absolute)
    assert absolute.replaces(relative)
    assert not relative.replaces(PluginSource(FILE, "", "other.py"))


def test_a_file_replaces_the_installed_plugin_that_was_imported_from_it_and_not_the_other_way_round(package):
    file = PluginSource(FILE, "", str(package / "metaopt_small.py"))
    assert file.replaces(INSTALLED)
    assert not INSTALLED.replaces(file)
    assert not PluginSource(FILE, "", str(package / "copy.py")).replaces(INSTALLED)
    assert not file.replaces(PluginSource(SESSION))
