"""What a cluster lacks is told by name, with what to do."""

import metaopt
from metaopt.tuning.executors.ray_cluster.refusals import failed_on, no_beginning, no_room, too_large, unusable
from metaopt.tuning.executors.ray_cluster.resources import kind_of


def test_what_is_silent_is_not_said_to_lack_anything():
    kind = kind_of({"num_gpus": 1})
    assert str(no_room("Task 'a'", kind, 0)) == (
        "Task 'a' needs num_cpus=1, num_gpus=1, and no machine of the cluster has that; ask for less in its resources, "
        "or add a machine that has it."
    )
    assert " and no machine of the cluster that answers has that, while 2 machines do not answer (cut off, or" in str(
        no_room("Task 'a'", kind, 2)
    )


def test_a_block_that_does_not_fit_is_named():
    assert str(too_large("Task 'a'")) == (
        "The cluster's object store is full: Task 'a' does not fit with its data; begin the machines with a larger "
        "--object-store-memory, or make it a metaopt.BlackBoxTask, which reads its data there."
    )


def test_workers_that_never_begin_are_told_with_what_ray_says():
    assert str(no_beginning(5, RuntimeError("The actor died unexpectedly.\n\tclass_name: Slot"))) == (
        "5 workers of the cluster in a row died before they could begin: The actor died unexpectedly; see whether the "
        "machines are short of memory, and what the workers wrote among Ray's logs."
    )


def test_what_fails_on_one_machine_names_it():
    lacking = failed_on("node7", FileNotFoundError(2, "No such file or directory", "data.csv"))
    assert str(lacking) == (
        "A worker on the machine node7 of the cluster failed: FileNotFoundError: No such file or directory: 'data.csv'."
    )
    refused = failed_on("node7", metaopt.InputError("Task 'a' has no data."))
    assert isinstance(refused, metaopt.InputError)
    assert str(refused) == "Task 'a' has no data (on the machine node7 of the cluster)."


def test_why_a_cluster_cannot_be_joined_is_one_line_of_ray_s_many():
    failed = ConnectionAbortedError("Initialization failure from server:\nTraceback (most recent call last):\n  File")
    assert unusable("ray://head:10001", failed) == (
        "The cluster at --address 'ray://head:10001' could not begin what serves a client; begin its head with "
        "GRPC_ENABLE_FORK_SUPPORT=0 in its environment, or see ray_client_server*.err among its logs."
    )
    assert unusable("head:6379", RuntimeError("No route.\nAnd a paragraph.")) == (
        "The cluster at --address 'head:6379' cannot be used: RuntimeError: No route; see that it is there and can be "
        "reached."
    )
