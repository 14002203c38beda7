"""Machines with other versions are refused by name."""

import re

import pytest

import metaopt
from metaopt.plugin import current_registry
from metaopt.tuning.executors.protocol import ExecutorError
from metaopt.tuning.executors.ray_cluster.versions import check_worker, wanted_versions

WANTED = {"metaopt-torch": "0.1.0", "torch": "2.9.0+cpu", "theirs": "3"}


def facts(**changed):
    versions = {"metaopt-torch": "0.1.0", "torch": "2.9.0+cu128", "theirs": "3"}
    return {"host": "node7", "fault": "", "versions": {**versions, **changed.pop("versions", {})}, **changed}


def test_a_build_for_another_processor_is_the_same_version():
    check_worker(facts(), WANTED)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"versions": {"theirs": None}},
            "The machine node7 of the cluster has no theirs, which this one has in version 3; install theirs==3 on "
            "every machine.",
        ),
        (
            {"versions": {"metaopt-torch": "0.2.0"}},
            "The machine node7 of the cluster has metaopt-torch 0.2.0, this one has 0.1.0; install the same version on "
            "all of them, for others train otherwise.",
        ),
        (
            {"versions": {"torch": "2.8.0+cpu"}},
            "The machine node7 of the cluster has torch 2.8.0+cpu, this one has 2.9.0+cpu; install the same version on "
            "all of them, for others train otherwise.",
        ),
        (
            {"fault": "ModuleNotFoundError: No module named 'x'"},
            "A worker on the machine node7 of the cluster cannot begin: ModuleNotFoundError: No module named 'x'.",
        ),
    ],
)
def test_a_machine_that_would_train_otherwise_is_named(changed, sentence):
    with pytest.raises(ExecutorError, match=f"^{re.escape(sentence)}$"):
        check_worker(facts(**changed), WANTED)


def test_versions_of_all_plugins_are_wanted():
    assert wanted_versions(current_registry()) == {
        "metaopt-torch": metaopt.__version__,
        "torch": wanted_versions(current_registry())["torch"],
    }
