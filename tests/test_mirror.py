"""The tests mirror the packages: each module has a test file at its own path, or it is said here where it is tested."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
#: Where the modules of a folder have their tests.
MIRRORS = {ROOT / "metaopt": TESTS, ROOT / "plugins": TESTS / "plugins"}

#: Modules that only declare: protocols, and data without a method. What uses them is tested.
DECLARATIONS = {
    "metaopt/inner/gradients/source.py",
    "metaopt/inner/member.py",
    "metaopt/meta/estimators/contract.py",
    "metaopt/tasks/tables/reading/table_file.py",
    "metaopt/contracts/meta/learner.py",
    "metaopt/contracts/multitask/balancing.py",
    "metaopt/prediction/trainable.py",
}

#: Plugins that a file goes through together: each is one entry of a list of cases that the file holds to the same.
TOGETHER = {
    # Against other people's implementations, with the paths that `tests/golden` has from the papers' formulas.
    "tests/plugins/metaopt_optimizers/test_parity.py": {
        "plugins/metaopt_optimizers/adafactor.py",
        "plugins/metaopt_optimizers/adagrad.py",
        "plugins/metaopt_optimizers/adamw.py",
        "plugins/metaopt_optimizers/lion.py",
        "plugins/metaopt_optimizers/metz_nadamw.py",
        "plugins/metaopt_optimizers/rmsprop.py",
        "plugins/metaopt_optimizers/schedulefree_adamw.py",
        "plugins/metaopt_optimizers/sgd.py",
    },
    # Two names of one wrapper, whose weights are learned in two ways.
    "tests/plugins/metaopt_learned/_shared/test_scheduled.py": {
        "plugins/metaopt_learned/hyper_controller.py",
        "plugins/metaopt_learned/learned_schedule.py",
    },
}


def modules(folder: Path) -> Iterator[Path]:
    """Those that have a name of their own: an `__init__` exports what others hold."""
    return (path for path in sorted(folder.rglob("*.py")) if path.name != "__init__.py")


def own_file(module: Path, folder: Path, tests: Path) -> Path:
    """`a/b/c.py` in the folder is tested by `a/b/test_c.py`."""
    return tests / module.relative_to(folder).with_name(f"test_{module.stem.strip('_')}.py")


def without_tests(folder: Path, tests: Path) -> list[Path]:
    """Modules whose test file is not there, or has no test."""
    return [module for module in modules(folder) if not has_tests(own_file(module, folder, tests))]


def has_tests(path: Path) -> bool:
    return path.exists() and any(
        isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in ast.parse(path.read_text()).body
    )


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("folder", MIRRORS, ids=shown)
def test_every_module_is_tested_at_its_own_path(folder):
    excused = DECLARATIONS.union(*TOGETHER.values())
    lacking = [module for module in without_tests(folder, MIRRORS[folder]) if shown(module) not in excused]
    files = [shown(own_file(module, folder, MIRRORS[folder])) for module in lacking]
    assert not files, (
        f"Add {', '.join(files)}; or say in tests/test_mirror.py which file tests it together with others."
    )


@pytest.mark.parametrize("name", sorted(DECLARATIONS))
def test_what_only_declares_does_nothing(name):
    functions = [node for node in ast.walk(ast.parse((ROOT / name).read_text())) if isinstance(node, ast.FunctionDef)]
    acting = [function.name for function in functions if statements(function)]
    assert not acting, f"{name} does something in {', '.join(acting)}: give it a test file and take it from the list."


def statements(function: ast.FunctionDef) -> list[ast.stmt]:
    """What a function does beside its docstring and `...`."""
    return [node for node in function.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]


@pytest.mark.parametrize(("test_file", "module"), [(file, one) for file in TOGETHER for one in sorted(TOGETHER[file])])
def test_what_is_tested_together_is_named_there(test_file, module):
    tree = ast.parse((ROOT / test_file).read_text())
    named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert (ROOT / module).exists(), f"{module} is gone: take it from the list."
    assert Path(module).stem in named, f"{test_file} does not go through {Path(module).stem}."


def test_nothing_is_excused_that_has_a_test_file():
    lacking = {shown(module) for folder, tests in MIRRORS.items() for module in without_tests(folder, tests)}
    assert DECLARATIONS.union(*TOGETHER.values()) <= lacking


def test_a_new_module_and_an_empty_test_file_are_seen(tmp_path):
    package, tests = tmp_path / "package", tmp_path / "tests"
    for path in ("package/a/__init__.py", "package/a/new.py", "package/a/empty.py", "package/a/held.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    (tests / "a").mkdir(parents=True)
    (tests / "a" / "test_empty.py").write_text("import pytest\n")
    (tests / "a" / "test_held.py").write_text("def test_it():\n    pass\n")
    assert without_tests(package, tests) == [package / "a" / "empty.py", package / "a" / "new.py"]
