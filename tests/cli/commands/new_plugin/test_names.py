"""Which names a new plugin can have."""

import re

import pytest

from metaopt.cli.commands.new_plugin.names import MAX_NAME, plain_name
from metaopt.errors import InputError


@pytest.mark.parametrize(
    ("name", "plain"),
    [("quick", "quick"), ("metaopt-quick-sign", "quick_sign"), ("metaopt_quick", "quick"), ("adam2-lr", "adam2_lr")],
)
def test_a_distributions_or_modules_name_is_understood(name, plain):
    assert plain_name(name) == plain


def test_the_longest_name_counts_without_the_distributions_beginning():
    assert plain_name("metaopt-" + "a" * MAX_NAME) == "a" * MAX_NAME
    with pytest.raises(InputError, match=f"{MAX_NAME} characters at most"):
        plain_name("a" * (MAX_NAME + 1))


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


@pytest.mark.slow
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
