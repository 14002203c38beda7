"""`metaopt new-plugin` writes a package that installs, passes and shows at once, whatever its kind."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import typing
from pathlib import Path

import pytest

from metaopt.cli.commands.new_plugin import new_plugin
from metaopt.cli.commands.new_plugin.names import MAX_NAME
from metaopt.plugin.kinds import KINDS

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory, run):
    """For each kind the folder of a new package."""
    home = tmp_path_factory.mktemp("packages")
    for kind in KINDS:
        ran = run("new-plugin", f"quick_{kind}", "--kind", kind, "--out", home / kind, "--author", "Ada <ada@x.org>")
        assert ran.code == 0, ran.err
    return {kind: home / kind for kind in KINDS}


@pytest.fixture(scope="module")
def installed(packages, tmp_path_factory):
    """An environment in which Python sees all of them as installed."""
    site = tmp_path_factory.mktemp("site")
    command = ["pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", site]
    copies = [shutil.copytree(folder, tmp_path_factory.mktemp("source") / folder.name) for folder in packages.values()]
    subprocess.run([sys.executable, "-m", *command, *copies], check=True)
    return {**ENVIRONMENT, "PYTHONPATH": str(site)}


def metaopt(environment, folder, *arguments):
    command = [sys.executable, "-c", "from metaopt.cli import main; main()", *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def source_of(packages, kind):
    return packages[kind] / "src" / f"metaopt_quick_{kind}" / f"quick_{kind}.py"


@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_before_it_is_installed(packages, kind, run, own_registry):
    ran = run("check", source_of(packages, kind))
    assert ran.code == 0, ran.out
    assert ran.out.startswith(f"{kind} quick_{kind}\n")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_template_is_left(packages, kind):
    for path in packages[kind].rglob("*"):
        assert "skeleton" not in str(path).lower()
        if path.is_file():
            assert not re.search("skeleton|Skeleton|SKELETON|SUBJECT|AUTHORS|USE_|DEPENDENCIES", path.read_text()), path


@pytest.mark.parametrize("kind", KINDS)
def test_it_declares_itself_in_the_group_of_metaopt(packages, kind):
    project = tomllib.loads((packages[kind] / "pyproject.toml").read_text())["project"]
    assert project["name"] == f"metaopt-quick-{kind}"
    assert project["entry-points"] == {"metaopt": {f"quick_{kind}": f"metaopt_quick_{kind}"}}
    assert project["authors"] == [{"name": "Ada", "email": "ada@x.org"}]
    assert (packages[kind] / ".github" / "workflows" / "test.yml").is_file()
    assert f"quick_{kind}" in (packages[kind] / "README.md").read_text()


def test_it_is_linted_and_formatted(packages):
    ruff = shutil.which("ruff", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if ruff is None:
        pytest.skip("ruff is not installed")
    for folder in packages.values():
        for command in (["check"], ["format", "--check"]):
            done = subprocess.run([ruff, *command], cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_it_is_typed_strictly(packages, tmp_path):
    pytest.importorskip("mypy", reason="needs mypy")
    sources = [source_of(packages, kind) for kind in KINDS]
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", *map(str, sources)]
    environment = {**ENVIRONMENT, "MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_installed_it_is_listed_and_checked_by_its_distributions_name(packages, installed, tmp_path):
    listed = json.loads(metaopt(installed, tmp_path, "plugins", "--json").stdout)
    found = {row["kind"]: row for row in listed if row["name"].startswith("quick_")}
    assert {kind: row["status"] for kind, row in found.items()} == dict.fromkeys(KINDS, "ok")
    done = metaopt(installed, tmp_path, "check", *(f"metaopt-quick-{kind}" for kind in KINDS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" 0 failed") == len(KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["optimizer", "stopper"])
def test_its_own_tests_pass(packages, installed, kind):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=packages[kind], env=installed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_distributions_name_is_understood(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = run("new-plugin", "metaopt-quick-sign", "--kind", "optimizer")
    assert ran.code == 0
    assert "metaopt-quick-sign: the optimizer 'quick_sign'" in ran.out
    assert Path("metaopt-quick-sign/src/metaopt_quick_sign/quick_sign.py").is_file()


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


@pytest.mark.parametrize(
    "name",
    [
        "Sign",
        "2sign",
        "_sign",
        "sign!",
        "sígn",
        "",
        "lambda",
        "a" * (MAX_NAME + 1),
        "a b",
        "sign_",
        "si__gn",
        "si--gn",
        "sign-",
    ],
)
def test_a_name_that_python_or_pip_refuse_is_refused(run, tmp_path, name):
    ran = run("new-plugin", name, "--kind", "optimizer", "--out", tmp_path / "new")
    assert ran.code == 2
    assert re.fullmatch(r"error: '.*' cannot be a plugin's name; take lower case letters, .*\.\n", ran.err)
    assert not (tmp_path / "new").exists()


def test_the_longest_name_is_formatted_and_typed_as_the_shortest(run, tmp_path):
    ruff = shutil.which("ruff", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if ruff is None:
        pytest.skip("ruff is not installed")
    for name in ("q", "q_" + "x" * (MAX_NAME - 2)):
        for kind in KINDS:
            assert run("new-plugin", name, "--kind", kind, "--out", tmp_path / f"{name}-{kind}").code == 0
            for command in (["check"], ["format", "--check"]):
                done = subprocess.run(
                    [ruff, *command], cwd=tmp_path / f"{name}-{kind}", capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, done.stdout


def test_a_plugin_of_the_name_is_an_error(run, tmp_path):
    ran = run("new-plugin", "adamw", "--kind", "wrapper", "--out", tmp_path / "new")
    assert ran.code == 2
    assert re.fullmatch(
        r"error: There is a plugin 'adamw' already, the optimizer of metaopt-torch .*; choose another name\.\n", ran.err
    )


def test_a_module_of_the_name_is_an_error(run, tmp_path):
    ran = run("new-plugin", "optimizers", "--kind", "optimizer", "--out", tmp_path / "new")
    assert (ran.code, ran.err) == (
        2,
        "error: There is a module 'metaopt_optimizers' already; choose another name.\n",
    )


@pytest.mark.parametrize("name", ["torch", "metaopt-torch"])
def test_the_distribution_of_metaopt_itself_is_an_error(run, tmp_path, name):
    ran = run("new-plugin", name, "--kind", "optimizer", "--out", tmp_path / "new")
    assert (ran.code, ran.err) == (
        2,
        "error: There is a distribution 'metaopt-torch' already; choose another name.\n",
    )
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["metaopt", "numpy", "scipy", "sklearn", "sympy", "random", "statistics"])
def test_a_file_that_would_hide_what_metaopt_imports_is_an_error(run, tmp_path, name):
    ran = run("new-plugin", name, "--kind", "optimizer", "--out", tmp_path / "new")
    assert (ran.code, ran.err) == (
        2,
        f"error: {name}.py would hide the module {name!r}, which metaopt needs; take another name.\n",
    )
    assert not (tmp_path / "new").exists()


def test_a_module_that_no_file_can_hide_and_one_that_metaopt_does_not_need_leave_the_name_free(run, tmp_path):
    for name in ("time", "ruff"):
        assert run("new-plugin", name, "--kind", "optimizer", "--out", tmp_path / name).code == 0


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


@pytest.mark.parametrize("out", ["with blank", "-x", "it's", "~", "plain"])
def test_the_next_steps_can_be_pasted_into_a_shell(run, tmp_path, monkeypatch, own_registry, out):
    monkeypatch.chdir(tmp_path)
    ran = run("new-plugin", "quick", "--kind", "optimizer", f"--out={out}")
    check, install, _ = [shlex.split(line) for line in ran.out.splitlines()[-3:]]
    assert check[:2] == ["metaopt", "check"]
    assert Path(install[-1]).resolve() == tmp_path / out
    assert run(*check[1:]).code == 0
    assert not any(word.startswith("-") for word in (check[2], install[3]))
    assert ("'~'" in ran.out) == (out == "~")


def test_its_help_says_which_names_there_are():
    # What typer makes of it differs by version: older ones show no help of arguments.
    _, argument = typing.get_args(typing.get_type_hints(new_plugin, include_extras=True)["name"])
    assert f"single _ or - between; {MAX_NAME} characters at most" in argument.help


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
