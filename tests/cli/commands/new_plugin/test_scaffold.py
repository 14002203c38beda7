"""The package of a new plugin: what its files say, and where they are written."""

import re
import tomllib
from pathlib import Path

import pytest

from metaopt.cli.commands.new_plugin.scaffold import Scaffold
from metaopt.plugin.kinds import KINDS


@pytest.fixture(params=KINDS)
def package(request):
    return Scaffold(f"quick_{request.param}", request.param, "Ada <ada@x.org>")


def test_nothing_of_the_template_is_left(package):
    for path, text in package.files().items():
        assert "skeleton" not in str(path).lower()
        assert not re.search("skeleton|Skeleton|SKELETON|SUBJECT|AUTHORS|USE_|DEPENDENCIES", text), path


def test_it_declares_itself_in_the_group_of_metaopt(package):
    files, kind = package.files(), package.kind
    project = tomllib.loads(files[Path("pyproject.toml")])["project"]
    assert project["name"] == f"metaopt-quick-{kind}"
    assert project["entry-points"] == {"metaopt": {f"quick_{kind}": f"metaopt_quick_{kind}"}}
    assert project["authors"] == [{"name": "Ada", "email": "ada@x.org"}]
    assert Path(".github", "workflows", "test.yml") in files
    assert f"quick_{kind}" in files[Path("README.md")]


def test_its_code_is_python_and_lies_where_it_is_said_to_lie(package):
    files = package.files()
    assert package.source == Path("src", package.module, f"{package.name}.py")
    assert "def metaopt_plugins" in files[package.source]
    for path, text in files.items():
        if path.suffix == ".py":
            compile(text, str(path), "exec")


@pytest.mark.parametrize(
    "author", ["skeleton SUBJECT", "Ada Lovelace", "ada@x.org", 'A "quoted" \\ name', "Ünïcode <u@x.org>"]
)
def test_whatever_the_author_is_called_the_package_can_be_read(run, tmp_path, author):
    assert (
        run("new-plugin", "skeleton_two", "--kind", "corpus", "--author", author, "--out", tmp_path / "new").code == 0
    )
    project = tomllib.loads((tmp_path / "new" / "pyproject.toml").read_text())["project"]
    assert all(value in author for entry in project["authors"] for value in entry.values())
    assert project["name"] == "metaopt-skeleton-two"


def test_a_kind_that_does_not_exist_is_an_error(run, tmp_path):
    ran = run("new-plugin", "quick", "--kind", "optimiser", "--out", tmp_path / "new")
    assert ran.code == 2
    assert "There is no kind 'optimiser' of plugin; did you mean 'optimizer'? kinds: optimizer, wrapper," in ran.err


def test_what_is_there_is_left_alone(run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").write_text("kept")
    ran = run("new-plugin", "quick", "--kind", "optimizer", "--out", tmp_path / "mine")
    assert ran.code == 2
    assert re.fullmatch(
        r"error: --out '.*mine' exists already; name a new or an empty folder, or remove it\.\n", ran.err
    )
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["kept"]


@pytest.mark.parametrize("there", [".", "mine", "mine/"])
def test_an_empty_folder_is_taken(run, tmp_path, monkeypatch, there):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine" if there == "." else tmp_path)
    assert run("new-plugin", "quick", "--kind", "optimizer", "--out", there).code == 0
    assert (tmp_path / "mine" / "pyproject.toml").is_file()


@pytest.mark.parametrize(
    "author",
    ["two\nlines", "bell\x07", "x <a b@c>", "Ada <ada>", "Ada <a@b@c>", "a b@c", "Ada <@x.org>", "Ada <a..b@c>"],
)
def test_an_author_of_two_lines_or_without_an_address_that_pip_takes_is_an_error(run, tmp_path, author):
    ran = run("new-plugin", "quick", "--kind", "optimizer", "--author", author, "--out", tmp_path / "new")
    assert ran.code == 2
    assert "--author must be one line such as" in ran.err


def test_a_folder_that_cannot_be_made_is_an_error(run, tmp_path):
    (tmp_path / "file").write_text("")
    ran = run("new-plugin", "quick", "--kind", "optimizer", "--out", tmp_path / "file" / "new")
    assert ran.code == 2
    assert "cannot be made: Not a directory; name another one." in ran.err
