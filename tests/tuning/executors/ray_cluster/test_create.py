import pytest

from metaopt.tuning.executors.protocol import ExecutorError, ExecutorSettings
from metaopt.tuning.executors.ray_cluster.create import create
from metaopt.tuning.running.carried_plugins import worker_setup


def test_without_a_cluster_the_usual_address_says_how_to_begin_one(monkeypatch, tmp_path):
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'metaopt-torch[ray]'")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def nobody(*args, **kwargs):
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "init", nobody)
    settings = ExecutorSettings(workers=None, address=None, setup=worker_setup, announce=print)
    with pytest.raises(ExecutorError, match=r"^The cluster at --address 'auto' cannot be used: .* `ray start"):
        create(settings)
