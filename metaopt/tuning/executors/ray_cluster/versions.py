"""Whether a worker of a cluster has what the driver has: other versions train otherwise."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from metaopt.plugin import Registry
from metaopt.tuning.executors.protocol import ExecutorError

#: What everything that is trained depends on.
_ALWAYS = ("metaopt-torch", "torch")


def wanted_versions(registry: Registry) -> dict[str, str]:
    """Versions of metaopt, of torch and of the distributions that plugins come from, by distribution."""
    names = {*_ALWAYS, *(entry.source.distribution for entry in registry)}
    wanted = {}
    for name in sorted(names):
        try:
            wanted[name] = version(name)
        except PackageNotFoundError:  # of a file, or registered by hand: these travel
            continue
    return wanted


def check_worker(facts: Mapping[str, Any], wanted: Mapping[str, str]) -> None:
    """Refuse a worker that lacks something or has it in another version.

    Raises:
        ExecutorError: it does; the message names the machine.
    """
    for name, here in wanted.items():
        there = facts["versions"].get(name)
        if there is None:
            raise ExecutorError(
                f"The machine {facts['host']} of the cluster has no {name}, which this one has in version {here}; "
                f"install {name}=={_public(here)} on every machine."
            )
        if _public(there) != _public(here):
            raise ExecutorError(
                f"The machine {facts['host']} of the cluster has {name} {there}, this one has {here}; install the same "
                "version on all of them, for others train otherwise."
            )
    if facts["fault"]:
        raise ExecutorError(
            f"A worker on the machine {facts['host']} of the cluster cannot begin: {facts['fault'].rstrip('.')}."
        )


def _public(version: str) -> str:
    """Without what a build for another processor adds."""
    return version.partition("+")[0]
