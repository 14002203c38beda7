from collections.abc import Iterator

import pytest
import torch

import metaopt
import metaopt_optimizers

SPECS = {spec.name: spec for spec in metaopt_optimizers.metaopt_plugins()}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=SPECS)
def optimizer_spec(request: pytest.FixtureRequest) -> metaopt.OptimizerSpec:
    """Every built-in optimizer in turn."""
    return SPECS[request.param]
