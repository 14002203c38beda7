"""`--plugin FILE.py` adds the plugins of files to those that the process knows."""

from pathlib import Path

import pytest

from metaopt import PluginError, StopperSpec
from metaopt.cli.plugin_files import load_plugin_files
from metaopt.plugin import current_registry

STOPPERS = """
import metaopt


@metaopt.hookimpl
def metaopt_plugins():
    return [
        metaopt.StopperSpec(name=name, version="1", fires=lambda batch, hparams: batch.values > 1) for name in {names}
    ]
"""

pytestmark = pytest.mark.usefixtures("own_registry")


@pytest.fixture
def files(tmp_path):
    def write(**names):
        for file, its_names in names.items():
            (tmp_path / f"{file}.py").write_text(STOPPERS.replace("{names}", repr(its_names)))
        return [tmp_path / f"{file}.py" for file in names]

    return write


@pytest.mark.parametrize("paths", [None, [], ()])
def test_without_a_file_nothing_is_loaded(paths):
    assert load_plugin_files(paths) == []


def test_plugins_of_all_files_are_known_by_name_afterwards(files):
    specs = load_plugin_files(files(one=["above_one", "far_above"], two=["other"]))
    assert [spec.name for spec in specs] == ["above_one", "far_above", "other"]
    assert all(current_registry().get(StopperSpec, spec.name) is spec for spec in specs)


def test_a_file_that_takes_an_installed_name_is_refused(files):
    with pytest.raises(PluginError, match="'patience' is defined twice"):
        load_plugin_files(files(mine=["patience"]))


def test_what_is_not_there_is_named():
    with pytest.raises(PluginError, match=r"'nowhere\.py'"):
        load_plugin_files([Path("nowhere.py")])
