"""What is said where a cluster cannot be used, or cannot run a block: one sentence, with what to do."""

import re

from metaopt.errors import MetaOptError, first_line, named_line, quoted
from metaopt.tuning.executors.protocol import ExecutorError
from metaopt.tuning.executors.ray_cluster.resources import Kind, shown

#: Where a cluster is looked for unless the caller says otherwise: where `RAY_ADDRESS` says, else that of this machine.
AUTO = "auto"
#: Told once where nothing begins for a while.
WAITING = (
    "No worker has begun yet: other work holds what the cluster has, or its machines are busy; the study goes on as "
    "soon as there is room."
)


def unusable(address: str, error: BaseException) -> str:
    """What is said of a cluster that Ray could not join.

    Args:
        address: that was given.
        error: what Ray raised; its messages have several lines.
    """
    which, text = f"The cluster at --address {quoted(address)}", str(error)
    versions = re.findall(r"^\s*(?:Ray|Python): (\S+)$", text, re.MULTILINE)
    if "version mismatch" in text.lower() and len(versions) == 4:
        ray, python, own_ray, own_python = versions
        return (
            f"{which} runs Ray {ray} and Python {python}, this process Ray {own_ray} and Python {own_python}; install "
            "the cluster's versions here."
        )
    if "Initialization failure from server" in text:
        return (
            f"{which} could not begin what serves a client; begin its head with GRPC_ENABLE_FORK_SUPPORT=0 in its "
            "environment, or see ray_client_server*.err among its logs."
        )
    remedy = "see that it is there and can be reached"
    if address == AUTO:
        remedy = "begin one with `ray start --head`, or give the --address of one (local for this machine alone)"
    return f"{which} cannot be used: {named_line(error)}; {remedy}."


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


def no_beginning(count: int, error: BaseException) -> ExecutorError:
    """What is said where workers die before their first block.

    Args:
        count: how many did, one after the other.
        error: what Ray says of the last one.
    """
    why = first_line(getattr(error, "cause", None) or error)
    return ExecutorError(
        f"{count} workers of the cluster in a row died before they could begin: {why}; see whether the machines are "
        "short of memory, and what the workers wrote among Ray's logs."
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
