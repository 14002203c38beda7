"""The built wheel works outside the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parent.parent

USE = """
import json, torch, metaopt
model = torch.nn.Linear(3, 1)
optimizer = metaopt.create_optimizer("lion", model, lr=1e-3)
metaopt.load_recipe("default").bind(torch.nn.Linear(3, 4), total_steps=200)
scheduler = metaopt.create_scheduler("cosine", optimizer, total_steps=10)
model(torch.ones(2, 3)).sum().backward()
optimizer.step()
scheduler.step()
print(json.dumps({"file": metaopt.__file__, "tasks": len(metaopt.load_corpus("starter"))}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel installed, that sees the dependencies but not the checkout."""
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    purelib = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(purelib)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    # Plain directories on the path: the .pth file by which the checkout is installed is not read from there.
    (purelib / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin" / "python"


def test_the_wheel_holds_the_packages_the_licence_and_the_type_marker(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.split("/")[0] for name in names if name.endswith("/__init__.py")}
    assert {
        "metaopt",
        "metaopt_optimizers",
        "metaopt_wrappers",
        "metaopt_controllers",
        "metaopt_stoppers",
        "metaopt_corpora",
        "metaopt_pytorch_optimizer",
    } <= packages
    assert "metaopt/py.typed" in names
    assert "metaopt_corpora/starter_references.npz" in names
    assert "metaopt/recipes/default/recipe.json" in names
    kinds = ("*.template", "*.jinja", "*.css")
    templates = {path.relative_to(ROOT).as_posix() for kind in kinds for path in (ROOT / "metaopt").rglob(kind)}
    assert len(templates) >= 20
    assert templates <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


def test_an_installed_wheel_finds_its_plugins_and_trains(python: Path, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), "-c", USE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    result = json.loads(done.stdout)
    assert str(ROOT / "metaopt") not in result["file"]
    assert result["tasks"] >= 18


def test_the_command_line_of_an_installed_wheel_lists_every_kind(python: Path, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(python), "-c", "from metaopt.cli import main; main()", "plugins", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    assert {"optimizer", "wrapper", "controller", "stopper", "corpus"} <= {row["kind"] for row in rows}
    assert {row["status"] for row in rows} == {"ok"}
