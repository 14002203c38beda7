"""The lowest versions that pyproject.toml allows, as constraints for pip.

    python tests/lowest_versions.py EXTRA …

prints `name==version` for each dependency of the project and of the named extras, each bounded as `name>=version`.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[(?P<extras>[\w.,-]+)\])?(?:>=(?P<version>[\d.]+))?")


def main() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    for name, version in sorted(lowest_versions(project, sys.argv[1:]).items()):
        print(f"{name}=={version}")


def lowest_versions(project: Mapping[str, Any], extras: Iterable[str]) -> dict[str, str]:
    """Lowest version by name, of what the project needs with these extras.

    Args:
        project: the table `[project]`.
        extras: names from its `optional-dependencies`.

    Raises:
        ValueError: a requirement states something else than its lowest version.
    """
    lowest: dict[str, str] = {}
    for name, version in [*_bounds(project["dependencies"], project), *_of_extras(extras, project)]:
        lowest[name] = max(lowest.get(name, version), version, key=_release)
    return lowest


def _of_extras(extras: Iterable[str], project: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for extra in extras:
        yield from _bounds(project["optional-dependencies"][extra], project)


def _bounds(requirements: Iterable[str], project: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for requirement in requirements:
        parts = _REQUIREMENT.fullmatch(requirement)
        if parts is not None and parts["name"] == project["name"] and parts["extras"]:
            yield from _of_extras(parts["extras"].split(","), project)
        elif parts is not None and parts["version"]:
            yield parts["name"].lower(), parts["version"]
        else:
            raise ValueError(f"A requirement states its lowest version, as name>=1.2, got {requirement!r}.")


def _release(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


if __name__ == "__main__":
    main()
