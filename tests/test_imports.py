"""The house: imports go one way, packages keep their walls, and a folder has few files. Read from the syntax trees."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import metaopt

ROOT = Path(__file__).parents[1]
CORE = ROOT / "metaopt"

#: Each package may import those in the lines above its own; `deploy` knows nothing of the engine.
LAYERS = [
    {"errors", "seeding"},
    {"files"},
    {"space"},
    {"contracts", "shards"},
    {"plugin"},
    {"signals", "pure_layers", "tracing", "parameter_roles"},
    {"multitask"},
    {"configuration"},
    {"deploy", "learners"},
    {"inner"},
    {"recipe", "tasks"},
    {"prediction"},
    {"meta"},
    {"tuning"},
    {"report"},
    {"integrations", "testing"},
    {"cli"},
    {"__main__"},
]
#: Beyond these layers: the shells of users' loops know nothing of how recipes come about.
NEVER = {"recipe": {"inner", "tasks"}, "integrations": {"inner", "tasks", "prediction", "meta", "tuning", "report"}}
#: The most Python files in a folder.
MOST_FILES = 16
#: The most lines in a file.
MOST_LINES = 300


@cache
def core_files() -> list[Path]:
    return [path for path in sorted(CORE.rglob("*.py")) if path != CORE / "__init__.py"]


@cache
def plugin_files() -> list[Path]:
    return sorted((ROOT / "plugins").rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    """Parsed once: every test here looks at the same thousand files."""
    return ast.parse(path.read_text())


def imports_in(tree: ast.AST, path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, module and name of everything that is imported; the name is empty for `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full."
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)


@cache
def imports_of(path: Path) -> list[tuple[int, str, str]]:
    return list(imports_in(tree_of(path), path))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, wherever in it."""
    for line, module, name in imports_of(path):
        yield line, f"{module}.{name}" if name else module


def part_of(path: Path) -> str:
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def below(part: str) -> set[str]:
    level = next(number for number, layer in enumerate(LAYERS) if part in layer)
    return set().union(*LAYERS[:level]) - NEVER.get(part, set())


def test_every_part_has_its_place_in_the_order():
    assert {part_of(path) for path in core_files()} == set().union(*LAYERS)


def test_imports_go_one_way():
    for path in core_files():
        part = part_of(path)
        for line, name in imported(path):
            if name.split(".")[0] != "metaopt":
                continue
            other = name.split(".")[1] if "." in name else ""
            if not other:
                assert part in ("cli", "testing"), f"{path}:{line}: the public names are for users."
            else:
                assert other in {part} | below(part) or (part == "cli" and other in metaopt.__all__), (
                    f"{path}:{line}: {part} must not import {other}."
                )


def test_between_packages_one_imports_what_a_package_exports():
    for path in core_files():
        for line, module, name in imports_of(path):
            parts = module.split(".")
            if parts[0] != "metaopt" or len(parts) == 1 or parts[1] == part_of(path):
                continue
            assert len(parts) == 2, f"{path}:{line}: import {name} from metaopt.{parts[1]}, whose __init__ exports it."
            if (CORE / parts[1] / "__init__.py").exists():
                assert name in exported(parts[1]), f"{path}:{line}: metaopt.{parts[1]} does not export {name}."


@cache
def exported(package: str) -> list[str]:
    for node in tree_of(CORE / package / "__init__.py").body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return []


def lazy_packages() -> list[Path]:
    """Packages whose `__init__` imports a name when it is first asked for."""
    return [path for path in sorted(CORE.rglob("__init__.py")) if "_MODULES" in path.read_text()]


def test_what_is_imported_when_it_is_first_named_has_another_name_than_its_module():
    """Importing a module sets its name in the package, which would then stand for the module."""
    assert lazy_packages()
    for path in lazy_packages():
        modules = {other.stem for other in path.parent.iterdir() if other.suffix == ".py" or other.is_dir()}
        both = modules & set(exported(str(path.parent.relative_to(CORE))))
        assert not both, f"{path}: {sorted(both)}"


def test_no_import_goes_round_in_a_circle():
    needs = {module_of(path): set(at_import(path)) for path in sorted(CORE.rglob("*.py"))}
    done: set[str] = set()
    while ready := {name for name, needed in needs.items() if name not in done and needed <= done}:
        done |= ready
    assert set(needs) == done, f"a circle among {sorted(set(needs) - done)}"


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def at_import(path: Path) -> Iterator[str]:
    """The modules of metaopt that this one loads while it is loaded, but for the packages that it lies in."""
    body = [
        node
        for node in tree_of(path).body
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    ]
    own = module_of(path)
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            continue
        for _, module, name in imports_in(statement, path):
            if module.split(".")[0] != "metaopt":
                continue
            full = f"{module}.{name}"
            found = full if (CORE.parent / full.replace(".", "/")).with_suffix(".py").exists() else module
            if found != own and not own.startswith(f"{found}."):
                yield found


def test_a_folder_has_few_files():
    full = [folder for folder in {path.parent for path in core_files()} if len(list(folder.glob("*.py"))) > MOST_FILES]
    assert not full


def test_a_file_is_short():
    files = [*core_files(), *plugin_files()]
    assert [path for path in files if len(path.read_text().splitlines()) > MOST_LINES] == []


def test_beside_the_packages_stand_few_modules():
    assert {path.name for path in CORE.glob("*.py")} == {"__init__.py", "__main__.py", "seeding.py"}


def test_plugins_use_public_names_alone():
    public = {"metaopt", "metaopt.testing", *(f"metaopt.{name}" for name in metaopt.__all__)}
    for path in plugin_files():
        package = path.relative_to(ROOT / "plugins").parts[0]
        for line, name in [*imported(path), *attributes_of_metaopt(path)]:
            if name.split(".")[0] == "metaopt":
                assert name in public or name.startswith("metaopt.testing."), f"{path}:{line}: {name} is not public."
            elif name.startswith("metaopt_"):
                assert name.split(".")[0] == package, f"{path}:{line}: a plugin must not need another one, {name}."


def attributes_of_metaopt(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "metaopt":
            yield node.lineno, f"metaopt.{node.attr}"


def test_only_tuning_knows_optuna():
    for path in [*core_files(), *plugin_files()]:
        users = [line for line, name in imported(path) if name.split(".")[0] == "optuna"]
        assert not users or path.is_relative_to(CORE / "tuning"), f"{path}:{users[0]} imports optuna."


def test_the_core_imports_no_plugin_by_name():
    named = [(path, name) for path in core_files() for _, name in imported(path) if name.startswith("metaopt_")]
    assert named == []


def test_public_names_are_where_type_checkers_and_the_package_itself_look_for_them():
    block = next(
        node for node in tree_of(CORE / "__init__.py").body if isinstance(node, ast.If) and "TYPE" in ast.unparse(node)
    )
    declared = {name: module for _, module, name in imports_in(block, CORE / "__init__.py")}
    assert declared == metaopt._MODULES
    assert sorted(declared) == sorted(metaopt.__all__)
    assert {name for name in dir(metaopt) if name[:1] != "_"} == {*declared, *metaopt._PACKAGES}
    assert all(getattr(metaopt, name) is not None for name in declared)


def test_the_package_alone_imports_nothing_of_its_own_and_no_torch():
    script = "import sys, metaopt; print([name for name in sys.modules if name.startswith(('metaopt.', 'torch'))])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="module 'metaopt' has no attribute 'tuna'"):
        _ = metaopt.tuna
