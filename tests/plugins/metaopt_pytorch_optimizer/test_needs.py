"""What the signatures do not tell is declared, for classes that there are."""

import importlib.metadata

import pytest
import torch
from torch import nn

import metaopt

pytest.importorskip("pytorch_optimizer", reason="pytorch-optimizer is not installed")
VERSION = importlib.metadata.version("pytorch-optimizer")
pytestmark = pytest.mark.skipif(
    tuple(map(int, VERSION.split(".")[:2])) < (4, 1), reason=f"pytorch-optimizer {VERSION} is older than 4.1"
)
plugins = pytest.importorskip("metaopt_pytorch_optimizer")
classes = pytest.importorskip("metaopt_pytorch_optimizer.classes")
needs = pytest.importorskip("metaopt_pytorch_optimizer.needs")

MUONS = sorted(name for name, keywords in needs.NEEDS.items() if "matrix_entry" in keywords)


def test_needs_are_of_classes_in_the_table():
    assert needs.NEEDS.keys() | needs.OF_MODELS <= set(classes.CLASSES)
    assert len(MUONS) == 6


@pytest.mark.parametrize("name", sorted(needs.OF_MODELS))
def test_classes_of_models_are_refused_in_one_sentence(name):
    with pytest.raises(metaopt.PluginError, match=f"{name} takes the model as its argument 'model'"):
        plugins.spec_of(name, "1")


@pytest.mark.parametrize("name", [name for name in MUONS if name != "DistributedMuon"])  # that needs a process group
@pytest.mark.parametrize("no_decay", ["1d", "none"])
def test_muons_are_told_which_tensors_are_matrices(name, no_decay):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    optimizer = metaopt.create_optimizer(plugins.plugin_name(name), model, no_decay=no_decay)
    matrices, others = optimizer.param_groups
    assert [param.ndim for param in matrices["params"]] == [4, 2]
    assert [param.ndim for param in others["params"]] == [1, 1]
    assert (matrices["use_muon"], others["use_muon"]) == (True, False)
    assert matrices["lr"] != others["lr"]  # the class's own AdamW has a rate of its own
    model(torch.ones(2, 1, 4, 4)).sum().backward()
    optimizer.step()


def test_a_class_of_matrices_alone_refuses_vectors():
    with pytest.raises(metaopt.InputError, match="po_spectralsphere takes matrices, and the parameter 'bias' has the"):
        metaopt.create_optimizer("po_spectralsphere", nn.Linear(3, 2))
    assert metaopt.create_optimizer("po_spectralsphere", nn.Linear(3, 2, bias=False)).param_groups
