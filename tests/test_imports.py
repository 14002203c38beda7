"""Imports go one way, plugins use public names alone, and only tuning knows Optuna: read from the syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import metaopt

ROOT = Path(__file__).parents[1]

#: Each part may import those before it in its own chain, and what its line says besides.
BASE = [
    "errors",
    "file_reading",
    "file_writing",
    "seeding",
    "default_dtype",
    "space",
    "contracts",
    "plugin_spec",
    "spec_checks",
    "specs",
    "hookspecs",
    "plugin_file",
    "plugin_hook",
    "registry",
    "configuration",
    "inner_products",
    "agreement",
    "evidence",
    "recording",
    "straight_line",
    "overflow",
    "rates",
    "compiled",
    "recurrent_layers",
    "layers",
    "batch_norm",
    "output_layer",
    "prototypes",
]
SHELLS = [*BASE, "deploy", "recipe"]
ENGINE = [*BASE, "inner", "tasks", "meta"]
ALLOWED = {
    **{part: set(chain[: chain.index(part)]) for chain in (BASE, SHELLS, ENGINE) for part in chain},
    "integrations": {*SHELLS},
    "tuning": {*SHELLS, *ENGINE},
    "testing": {*SHELLS, *ENGINE},
    "report": {*SHELLS, *ENGINE, "tuning"},
    "__main__": {"cli"},
    "cli": {"(the public names)", *SHELLS, *ENGINE, "tuning", "report", "testing"},
}


def core_files() -> list[Path]:
    return [path for path in sorted((ROOT / "metaopt").rglob("*.py")) if path != ROOT / "metaopt" / "__init__.py"]


def plugin_files() -> list[Path]:
    return sorted((ROOT / "plugins").rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full."
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def part_of(path: Path) -> str:
    return path.relative_to(ROOT / "metaopt").parts[0].removesuffix(".py")


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", core_files(), ids=shown)
def test_imports_go_one_way(path):
    part = part_of(path)
    for line, name in imported(path):
        if name.split(".")[0] == "metaopt":
            other = name.split(".")[1] if "." in name else "(the public names)"
            assert other in {part} | ALLOWED[part], f"{path}:{line}: {part} must not import {other}."


def test_every_part_has_its_place_in_the_order():
    assert {part_of(path) for path in core_files()} <= set(ALLOWED)


@pytest.mark.parametrize("path", plugin_files(), ids=shown)
def test_plugins_use_public_names_alone(path):
    package = path.relative_to(ROOT / "plugins").parts[0]
    public = {"metaopt", "metaopt.testing", *(f"metaopt.{name}" for name in metaopt.__all__)}
    for line, name in [*imported(path), *attributes_of_metaopt(path)]:
        if name.split(".")[0] == "metaopt":
            assert name in public or name.startswith("metaopt.testing."), f"{path}:{line}: {name} is not public."
        elif name.startswith("metaopt_"):
            assert name.split(".")[0] == package, f"{path}:{line}: a plugin must not need another one, {name}."


def attributes_of_metaopt(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "metaopt":
            yield node.lineno, f"metaopt.{node.attr}"


@pytest.mark.parametrize("path", [*core_files(), *plugin_files()], ids=shown)
def test_only_tuning_knows_optuna(path):
    users = [line for line, name in imported(path) if name.split(".")[0] == "optuna"]
    assert not users or path.is_relative_to(ROOT / "metaopt" / "tuning"), f"{path}:{users[0]} imports optuna."


@pytest.mark.parametrize("path", core_files(), ids=shown)
def test_the_core_imports_no_plugin_by_name(path):
    found = [name for _, name in imported(path) if name.startswith("metaopt_")]
    assert found == []
