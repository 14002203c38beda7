"""`metaopt new-plugin` writes a package that installs, passes and shows at once, whatever its kind."""

import json
import os
import shlex
import shutil
import subprocess
import sys
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


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_before_it_is_installed(packages, kind, run, own_registry):
    ran = run("check", source_of(packages, kind))
    assert ran.code == 0, ran.out
    assert ran.out.startswith(f"{kind} quick_{kind}\n")


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


@pytest.mark.slow
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


@pytest.mark.slow
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
