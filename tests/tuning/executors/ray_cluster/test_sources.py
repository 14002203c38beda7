"""Modules of the user's own travel as text; what is installed does not."""

import importlib
import sys

import pytest

from metaopt.tuning.executors.protocol import ExecutorError
from metaopt.tuning.executors.ray_cluster import sources as sources_module
from metaopt.tuning.executors.ray_cluster.slot import _Sources
from metaopt.tuning.executors.ray_cluster.sources import own_folder, own_sources


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A package of which one module is imported, and a folder without an `__init__`."""
    for name, text in {
        "my_jobs/__init__.py": "from my_jobs.one import ONE\n",
        "my_jobs/one.py": "ONE = 1\n",
        "my_jobs/later.py": "from my_jobs import ONE\nTWO = ONE + 1\n",
        "my_jobs/deep/__init__.py": "",
        "my_jobs/not-a-module.py": "1 / 0\n",
        "my_folder/three.py": "THREE = 3\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("my_jobs")
    importlib.import_module("my_folder.three")
    yield tmp_path
    forget()


def forget():
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]


def test_modules_travel_with_their_packages(mine):
    sources = {name: source for name, source in own_sources().items() if name.startswith("my_")}
    assert sorted(sources) == ["my_folder.three", "my_jobs", "my_jobs.deep", "my_jobs.later", "my_jobs.one"]
    assert sources["my_jobs"] == (str(mine / "my_jobs" / "__init__.py"), "from my_jobs.one import ONE\n", True)


def test_what_is_installed_or_travels_otherwise_does_not():
    names = {name.partition(".")[0] for name in own_sources()}
    assert not names & {"metaopt", "metaopt_optimizers", "torch", "numpy", "pytest", "json", "__main__"}


def test_they_can_be_imported_where_nothing_of_them_is(mine, monkeypatch):
    sources = own_sources()
    forget()
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(mine)])
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, _Sources(sources)])
    importlib.invalidate_caches()
    assert importlib.import_module("my_jobs.later").TWO == 2
    assert importlib.import_module("my_folder.three").THREE == 3
    assert importlib.import_module("my_jobs").__file__ == str(mine / "my_jobs" / "__init__.py")


def test_too_much_to_travel_is_told(mine, monkeypatch):
    monkeypatch.setattr(sources_module, "MOST_BYTES", 10)
    with pytest.raises(ExecutorError, match=r"are too large to travel to a cluster .* install them on each machine\.$"):
        own_sources()


def test_the_folder_that_the_driver_works_in_is_known_or_gone(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert own_folder() == str(folder)
    folder.rmdir()
    assert own_folder() == ""
