"""Benchmarks are seldom run, so what they import of this project is looked up here."""

import ast
import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[1]


def imported(file):
    """Module and name of each import of ours in a file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("metaopt", "benchmarks"):
            yield from ((node.module, alias.name) for alias in node.names)


def is_there(module, name):
    """Whether a module has a name, or a package a module of that name."""
    if hasattr(importlib.import_module(module), name):
        return True
    return importlib.util.find_spec(f"{module}.{name}") is not None


def test_what_benchmarks_import_is_there():
    files = sorted((ROOT / "benchmarks").rglob("*.py"))
    wanted = {pair for file in files for pair in imported(file)}
    assert len(wanted) > 100
    assert sorted(pair for pair in wanted if not is_there(*pair)) == []
