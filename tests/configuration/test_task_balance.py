import pytest

import metaopt
from metaopt.configuration import assemble
from metaopt.plugin import current_registry


def assembled(**fields):
    return assemble(metaopt.Configuration("adamw", **fields), current_registry())


def test_a_configuration_without_either_is_plain():
    tasks = assembled().tasks
    assert tasks.balance.is_plain
    assert tasks.numbers() == {"weighting": {}, "surgery": {}}


def test_both_are_found_with_their_hyperparameters():
    own = {"dwa.temperature": 1.5, "cagrad.level": "representation"}
    assembly = assembled(weighting="dwa", surgery="cagrad", hparams=own)
    assert [spec.name for spec in assembly.specs] == ["adamw", "constant", "dwa", "cagrad"]
    assert assembly.tasks.values["weighting"]["temperature"] == 1.5
    assert assembly.tasks.balance.level == "representation"
    assert assembly.tasks.numbers()["surgery"]["c"] == 0.5
    assert assembly.values_of(assembly.tasks.surgery)["c"] == 0.5
    again = assembled(weighting="dwa", surgery="cagrad", hparams={"cagrad.level": "representation"})
    assert again.tasks.balance == assembly.tasks.balance


def test_a_configuration_keeps_them_in_json_and_in_its_key():
    configuration = metaopt.Configuration("adamw", weighting="dwa", surgery="pcgrad")
    assert metaopt.Configuration.from_json(configuration.to_json()) == configuration
    assert configuration.title == "adamw+constant+dwa+pcgrad"
    assert "weighting" not in metaopt.Configuration("adamw").to_json()
    assert configuration.key != metaopt.Configuration("adamw").key


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"surgery": "pcgrab"}, metaopt.PluginError, "There is no surgery 'pcgrab'.*pcgrad"),
        ({"weighting": 3}, metaopt.InputError, "weighting must be the name of a plugin, got 3"),
        ({"surgery": "pcgrad", "hparams": {"cagrad.c": 1.0}}, metaopt.InputError, "'cagrad.c' belongs to none of"),
        ({"surgery": "cagrad", "hparams": {"cagrad.c": 7.0}}, metaopt.InputError, "cagrad.c|c must be"),
    ],
)
def test_what_is_none_is_refused(fields, error, message):
    with pytest.raises(error, match=message):
        assembled(**fields)


def test_a_learner_has_neither_beside_it():
    with pytest.raises(metaopt.InputError, match="leave out surgery"):
        metaopt.Configuration(learner="protonet", surgery="pcgrad")
