"""The classes of pytorch-optimizer: listed without an import, used as optimizers without a rule."""

import importlib.metadata
import json
import subprocess
import sys

import pytest

import metaopt
from metaopt.plugin import Registry, current_registry
from metaopt.testing import check

library = pytest.importorskip("pytorch_optimizer.optimizer", reason="pytorch-optimizer is not installed")
VERSION = importlib.metadata.version("pytorch-optimizer")
pytestmark = pytest.mark.skipif(
    tuple(map(int, VERSION.split(".")[:2])) < (4, 1), reason=f"pytorch-optimizer {VERSION} is older than 4.1"
)
plugins = pytest.importorskip("metaopt_pytorch_optimizer")
classes = pytest.importorskip("metaopt_pytorch_optimizer.classes")

#: One of each sort: plain, averaging, with a counter beside the parameters, with matrices told, with a graph.
SAMPLE = ["SOAP", "ScheduleFreeAdamW", "MADGRAD", "Muon", "AdaHessian", "Kron"]


@pytest.mark.skipif(not VERSION.startswith("4.1."), reason=f"the table is that of 4.1, and {VERSION} is installed")
def test_the_table_is_what_the_library_lists():
    assert sorted(classes.CLASSES) == sorted(cls.__name__ for cls in library.OPTIMIZERS.values())


def test_listing_them_imports_nothing_of_the_library():
    main = "import sys; from metaopt.cli import main"
    code = f"{main}\ntry: main(['plugins', '--json'])\nfinally: print(sorted(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    rows, end = json.JSONDecoder().raw_decode(output)
    assert "po_soap" in {row["name"] for row in rows}
    assert "'metaopt_pytorch_optimizer'" in output[end:]
    assert "'pytorch_optimizer'" not in output[end:]


def test_they_are_optimizers_that_nobody_proposes():
    registry = Registry.discover()
    names = [name for name in registry.names(metaopt.OptimizerSpec) if name.startswith("po_")]
    assert len(names) > 100
    assert registry.faults == []
    from metaopt.tuning.search.joint_space import joint_space

    assert not {spec.name for spec in joint_space(registry).optimizers} & set(names)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLE)
def test_a_class_keeps_the_contract(name):
    report = check(current_registry().get(metaopt.OptimizerSpec, plugins.plugin_name(name)))
    assert report.passed, [(outcome.check, outcome.message) for outcome in report.failures]


def test_a_class_that_the_installed_version_lacks_says_what_to_install():
    with pytest.raises(metaopt.PluginError, match=r"pytorch-optimizer 1\.0 has no class 'Nobody'; upgrade it with pip"):
        plugins.spec_of("Nobody", "1.0")
