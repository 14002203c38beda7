"""A file is a module like any other: picklable, found in tracebacks, and gone if it raises."""

import pickle
import sys

import pytest

from metaopt.plugin.file import import_file, line_in


@pytest.fixture
def written(tmp_path):
    """Writes a file; what it is imported as ends with the test."""
    before = set(sys.modules)

    def write(source, name="own.py"):
        path = tmp_path / name
        path.write_text(source)
        return path

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("metaopt_plugin_"):
            del sys.modules[name]


def test_a_file_becomes_a_module_whose_objects_can_be_pickled(written):
    module = import_file(written("class Mine:\n    pass\n"))
    assert module.__name__ == "metaopt_plugin_own"
    assert sys.modules["metaopt_plugin_own"] is module
    assert type(pickle.loads(pickle.dumps(module.Mine()))) is module.Mine


def test_a_file_that_changed_is_run_anew(written):
    assert import_file(written("value = 1\n")).value == 1
    assert import_file(written("value = 'another'\n")).value == "another"


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_file_that_raises_leaves_no_module(written, raised):
    with pytest.raises(raised):
        import_file(written(f"raise {raised.__name__}\n"))
    assert "metaopt_plugin_own" not in sys.modules


def test_an_error_is_found_on_the_last_line_of_the_file_that_it_passed(written):
    path = written("import json\n\n\ndef read():\n    json.loads('{')\n\n\nread()\n")
    with pytest.raises(ValueError, match="Expecting") as caught:
        import_file(path)
    assert line_in(path, caught.value) == ", line 5,"
    assert line_in(written("", "other.py"), caught.value) == ""
