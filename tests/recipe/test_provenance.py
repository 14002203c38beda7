"""A recipe records what it stands on, without anything of the machine that made it."""

import datetime
import platform

import pytest
import torch

import metaopt
from metaopt.plugin.kinds import ControllerSpec, OptimizerSpec
from metaopt.plugin.registry import current_registry
from metaopt.recipe.provenance import distributions, provenance_of, recorded, versions


def specs():
    registry = current_registry()
    return [registry.get(OptimizerSpec, "adamw"), registry.get(ControllerSpec, "wsd")]


def test_plugins_are_recorded_by_kind_and_name():
    adamw, wsd = specs()
    assert versions(specs()) == {"optimizer adamw": adamw.version, "controller wsd": wsd.version}
    sources = distributions(specs(), current_registry())
    assert sources.keys() == versions(specs()).keys()
    assert set(sources.values()) == {f"metaopt-torch {metaopt.__version__}"}


def test_it_says_when_and_with_which_libraries():
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    provenance = provenance_of(specs(), current_registry())
    created = datetime.datetime.fromisoformat(provenance["created"])
    assert before <= created <= datetime.datetime.now(datetime.UTC)
    assert provenance["libraries"]["python"] == platform.python_version()
    assert provenance["libraries"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert provenance["distributions"] == distributions(specs(), current_registry())


@pytest.mark.parametrize("provenance", [{}, {"libraries": None}, {"libraries": "torch"}, {"libraries": [1]}])
def test_a_part_that_somebody_wrote_otherwise_is_empty(provenance):
    assert recorded(provenance, "libraries") == {}
    assert recorded({"libraries": {"torch": "2.9"}}, "libraries") == {"torch": "2.9"}
