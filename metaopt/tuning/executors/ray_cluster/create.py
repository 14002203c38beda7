"""The executor `ray`."""

from metaopt.tuning.executors.protocol import ExecutorSettings
from metaopt.tuning.executors.ray_cluster.connection import Connection
from metaopt.tuning.executors.ray_cluster.executor import RayExecutor
from metaopt.tuning.executors.ray_cluster.refusals import AUTO


def create(settings: ExecutorSettings) -> RayExecutor:
    """Workers on a Ray cluster.

    Raises:
        ExecutorError: Ray is not installed, or no cluster can be used at the address.
    """
    address = AUTO if settings.address is None else settings.address
    return RayExecutor(
        Connection(address, settings.log_file), settings.workers, settings.setup, announce=settings.announce
    )
