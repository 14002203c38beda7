import pytest

import metaopt
from metaopt.tuning.executors.ray_cluster.resources import kind_of, on_machines, options, shown


def test_what_a_task_says_is_said_to_ray_in_its_words():
    kind = kind_of({"num_gpus": 0.5, "licences": 1})
    assert kind == kind_of({"licences": 1.0, "num_cpus": 1, "num_gpus": 0.5})
    assert on_machines(kind) == {"CPU": 1.0, "GPU": 0.5, "licences": 1.0}
    assert options(kind) == {
        "num_cpus": 1.0,
        "num_gpus": 0.5,
        "resources": {"licences": 1.0},
        "max_restarts": 0,
        "max_task_retries": 0,
    }
    assert shown(kind) == "licences=1, num_cpus=1, num_gpus=0.5"


@pytest.mark.parametrize("resources", [{"num_gpus": "all"}, {"num_gpus": -1}, {"num_cpus": True}, {3: 1}, "num_gpus"])
def test_odd_resources_are_refused_with_the_task(resources):
    with pytest.raises(metaopt.InputError, match=r"^Task 'job': resources are amounts by name, such as"):
        metaopt.BlackBoxTask(name="job", family="jobs", train=print, resources=resources)


def test_resources_are_not_part_of_what_is_trained(make_task):
    import dataclasses

    task = make_task()
    assert dataclasses.replace(task, resources={"num_cpus": 4}).fingerprint == task.fingerprint
