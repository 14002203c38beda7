"""Names and groups of a whole model, frozen parameters among them."""

from torch import nn

from metaopt.configuration import Configuration, assemble
from metaopt.deploy import ModelNames
from metaopt.deploy.state.model_names import no_model, reference_to
from metaopt.plugin.registry import current_registry


def names(model, **fields):
    assembly = assemble(Configuration("adamw", **fields), current_registry())
    found = ModelNames.of(model, assembly)
    return [[found.names[param] for param in group] for group in found.groups], found


def test_groups_are_those_that_the_whole_model_would_have():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 1))
    model[0].requires_grad_(False)
    groups, found = names(model, roles={"head": {"rate": 0.5}})
    assert groups == [["0.weight", "1.weight"], ["0.bias", "1.bias", "2.bias"], ["2.weight"]]
    assert [found.names[param] for param in found.frozen] == ["0.weight", "0.bias"]


def test_bare_parameters_have_none():
    assert names(list(nn.Linear(2, 1).parameters()))[1] == ModelNames()


def test_a_reference_does_not_keep_a_model_alive():
    model = nn.Linear(2, 1)
    reference = reference_to(model)
    assert reference() is model
    del model
    assert reference() is None
    assert reference_to([]) is no_model
    assert no_model() is None
