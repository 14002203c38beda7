"""The environment of `make test-lowest` holds the lowest versions that pyproject.toml allows, and says so."""

import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

lowest_versions = runpy.run_path(str(ROOT / "tests" / "lowest_versions.py"))["lowest_versions"]

SMALL = {
    "name": "small",
    "dependencies": ["torch>=2.6", "Rich>=13.10"],
    "optional-dependencies": {
        "plots": ["matplotlib>=3.8", "rich>=13.9"],
        "test": ["small[plots]", "psycopg[binary]>=3.1.4"],
    },
}


def pinned(name: str) -> dict[str, str]:
    """Versions by name of a file of constraints."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}


def test_each_dependency_is_held_at_its_lower_bound_and_extras_that_name_extras_are_followed():
    assert lowest_versions(SMALL, []) == {"torch": "2.6", "rich": "13.10"}
    assert lowest_versions(SMALL, ["test"]) == {
        "torch": "2.6",
        "rich": "13.10",  # the higher of two bounds, read as numbers
        "matplotlib": "3.8",
        "psycopg": "3.1.4",
    }


@pytest.mark.parametrize("requirement", ["torch", "torch==2.6", "torch>=2.6,<3", "torch>2.6", "small"])
def test_a_requirement_without_a_lowest_version_is_refused(requirement):
    with pytest.raises(ValueError, match=re.escape(f"states its lowest version, as name>=1.2, got {requirement!r}")):
        lowest_versions({**SMALL, "dependencies": [requirement]}, [])


def test_the_script_prints_constraints_for_pip():
    command = [sys.executable, str(ROOT / "tests" / "lowest_versions.py"), "test"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines == [f"{name}=={version}" for name, version in sorted(lowest_versions(PROJECT, ["test"]).items())]
    assert "torch==2.6" in lines


def test_every_bound_is_read_from_pyproject_alone():
    # A second place would go stale: constraints-lowest.txt holds what pyproject.toml does not name.
    assert not pinned("constraints-lowest.txt").keys() & lowest_versions(PROJECT, ["dev"]).keys()


def test_what_the_usual_environment_uses_is_no_older_than_what_is_allowed():
    used, lowest = pinned("constraints.txt"), lowest_versions(PROJECT, ["dev"])
    assert lowest.keys() <= used.keys()
    for name, version in lowest.items():
        assert numbers(used[name]) >= numbers(version), name


def numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]
