"""The folder of a package of plugins says by its entry points which of its files have plugins."""

import pytest

from metaopt import PluginError
from metaopt.cli.package_folder import plugin_files_in

HOOK = "import metaopt\n\n\n@metaopt.hookimpl\ndef metaopt_plugins():\n    return []\n"


@pytest.fixture
def folder(tmp_path):
    """`folder(project, files)`: a folder with this `pyproject.toml` and these files, by their paths."""

    def write(project, files):
        (tmp_path / "pyproject.toml").write_text(project)
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    return write


def project(**points):
    lines = [f'{name} = "{value}"' for name, value in points.items()]
    return "\n".join(["[project]", 'name = "mine"', "[project.entry-points.metaopt]", *lines])


@pytest.mark.parametrize("root", ["", "src/"])
def test_every_file_below_a_module_that_defines_the_hook_is_found_sorted(folder, root):
    files = {
        f"{root}waves/b.py": HOOK,
        f"{root}waves/a.py": HOOK,
        f"{root}waves/_shared/sums.py": "# def metaopt_plugins\n",
        f"{root}other/c.py": HOOK,
        "tests/test_a.py": HOOK,
    }
    path = folder(project(waves="waves"), files)
    assert plugin_files_in(path) == [path / f"{root}waves/a.py", path / f"{root}waves/b.py"]


def test_a_module_may_be_one_file_and_an_entry_point_may_name_what_is_in_it(folder):
    path = folder(project(one="one:plugin", two="two.inner"), {"one.py": HOOK, "two/inner/late.py": HOOK})
    assert plugin_files_in(path) == [path / "one.py", path / "two/inner/late.py"]


@pytest.mark.parametrize(
    "text", ["", "no TOML [", "project = 3", '[project]\nentry-points = "metaopt"', project(mine="elsewhere")]
)
def test_where_nothing_is_found_it_says_what_to_name(folder, text):
    path = folder(text, {"mine.py": HOOK})
    with pytest.raises(PluginError, match=r"has no file with a function metaopt_plugins; .* in the group 'metaopt'"):
        plugin_files_in(path)
