"""What is said where a cluster cannot run a block: one sentence, with what to do."""

from metaopt.errors import MetaOptError, named_line
from metaopt.tuning.executors.protocol import ExecutorError
from metaopt.tuning.executors.ray_cluster.resources import Kind, shown

#: Told once where nothing begins for a while.
WAITING = (
    "No worker has begun yet: other work holds what the cluster has, or its machines are busy; the study goes on as "
    "soon as there is room."
)


def no_room(label: str, kind: Kind, silent: int) -> ExecutorError:
    """What is said of a block for which no machine has what it needs.

    Args:
        label: of the block.
        kind: of worker that it needs.
        silent: machines that belong to the cluster and do not answer.
    """
    needs = f"{label} needs {shown(kind)}"
    if not silent:
        return ExecutorError(
            f"{needs}, and no machine of the cluster has that; ask for less in its resources, or add a machine that "
            "has it."
        )
    machines = "a machine does not answer" if silent == 1 else f"{silent} machines do not answer"
    return ExecutorError(
        f"{needs}, and no machine of the cluster that answers has that, while {machines} (cut off, or too busy); "
        "everything that has finished is stored: run the same command again when there are machines."
    )


def too_large(label: str) -> ExecutorError:
    """What is said of a block whose data the cluster cannot keep."""
    return ExecutorError(
        f"The cluster's object store is full: {label} does not fit with its data; begin the machines with a larger "
        "--object-store-memory, or make it a metaopt.BlackBoxTask, which reads its data there."
    )


def failed_on(host: str, error: BaseException) -> BaseException:
    """The error, saying where it happened: what one machine has another may lack."""
    if isinstance(error, MetaOptError):
        return type(error)(f"{str(error).rstrip('.')} (on the machine {host} of the cluster).")
    return MetaOptError(f"A worker on the machine {host} of the cluster failed: {named_line(error)}.")
