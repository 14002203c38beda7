"""Whatever the package imports is declared in pyproject.toml: read from the syntax trees."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = sorted(path for folder in ("metaopt", "plugins") for path in (ROOT / folder).rglob("*.py"))
OWN = {"metaopt", *(path.name for path in (ROOT / "plugins").iterdir())}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def distribution(requirement: str) -> str:
    """The normalised name in a requirement such as `"torch>=2.6"`."""
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()


ALWAYS = {distribution(one) for one in PROJECT["dependencies"]}
MAYBE = {
    distribution(one)
    for extra, requirements in PROJECT["optional-dependencies"].items()
    if extra not in ("test", "lint", "dev")  # who installs metaopt has none of these
    for one in requirements
}


@cache
def providers() -> Mapping[str, list[str]]:
    """Distributions by module; it takes a second or more to read what every one of them holds."""
    return packages_distributions()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def modules(path: Path, *, at_import: bool) -> Iterator[tuple[int, str]]:
    """Line and first name of what a file imports: when it is imported itself, or at any time."""
    tree = tree_of(path)
    for node in _at_import(tree.body) if at_import else ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module]
        for name in names:
            first = name.partition(".")[0]
            if first not in sys.stdlib_module_names and first not in OWN:
                yield node.lineno, first


def _at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run with the module: those of its body, and of `with` and `if` there, but no `try`."""
    for node in body:
        yield node
        if isinstance(node, ast.With) or (isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test)):
            yield from _at_import(node.body)


def declared(module: str, among: set[str]) -> bool:
    those = providers().get(module, [module])  # an optional one may not be installed
    return bool({distribution(one) for one in those} & among)


def test_what_a_file_imports_is_declared():
    for path in FILES:
        for line, module in modules(path, at_import=False):
            assert declared(module, ALWAYS | MAYBE), f"{path}:{line}: {module} is not in pyproject.toml."


def test_what_is_optional_is_imported_where_it_is_needed():
    for path in FILES:
        if path.is_relative_to(ROOT / "metaopt" / "integrations") or path.name == "canvas.py":
            continue  # imported only by who has the other framework, or draws
        for line, module in modules(path, at_import=True):
            assert declared(module, ALWAYS), (
                f"{path}:{line}: {module} may not be installed; import it where it is used."
            )
