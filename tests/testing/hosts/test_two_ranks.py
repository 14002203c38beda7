"""The kit trains plugins on two ranks, whole and sharded; one pair of processes serves all of them."""

import pytest

import metaopt
from metaopt.plugin import current_registry
from metaopt.testing.conformance import Check, checks_for
from metaopt.testing.hosts.two_ranks import Pair, ranks_agree, trains_sharded

pytestmark = [pytest.mark.thorough, pytest.mark.slow]

STRANGERS = """
import os
import sys

import torch
import torch.distributed as dist

import metaopt


def moved_by_rank(grad, state, param, hparams, theta, info):
    return -hparams["lr"] * grad * (1 + dist.get_rank() if dist.is_initialized() else 1), state


def stuck(grad, state, param, hparams, theta, info):
    if dist.is_initialized() and dist.get_rank() == 0:
        raise ValueError("rank 0 has had enough")
    return -hparams["lr"] * grad, state


def dying(grad, state, param, hparams, theta, info):
    if dist.is_initialized() and dist.get_rank() == 1:
        print("rank 1 has had enough", file=sys.stderr, flush=True)
        os._exit(3)
    return -hparams["lr"] * grad, state


def spec(name, update):
    rule = metaopt.per_tensor(init=lambda param, hparams, theta, horizon: {}, update=update)
    space = {"lr": metaopt.Float(1e-3, 1.0, log=True, default=0.05)}
    return metaopt.OptimizerSpec(name=name, version="1", rule=rule, space=space)


@metaopt.hookimpl
def metaopt_plugins():
    return [spec("moved_by_rank", moved_by_rank), spec("stuck", stuck), spec("dying", dying)]
"""


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugins") / "strangers.py"
    path.write_text(STRANGERS)
    return {spec.name: spec for spec in current_registry().load_file(path)}


def test_ours_agree_and_train_sharded_on_one_pair_of_processes():
    registry, pairs = current_registry(), []
    for kind, name in (
        (metaopt.OptimizerSpec, "adamw"),
        (metaopt.OptimizerSpec, "muon"),
        (metaopt.WrapperSpec, "dog"),
        (metaopt.ControllerSpec, "polyak"),
        (metaopt.ControllerSpec, "plateau"),
    ):
        for claim in (ranks_agree, trains_sharded):
            outcome = Check(registry.get(kind, name), claim).run()
            assert (name, outcome.status, outcome.message) == (name, "passed", "")
            pairs.append(Pair.current())
    assert len(set(map(id, pairs))) == 1


def test_a_rule_that_differs_by_rank_is_found(strangers):
    outcome = Check(strangers["moved_by_rank"], ranks_agree).run()
    assert outcome.status == "failed"
    assert outcome.message.startswith("After 6 steps on two ranks with batches of their own, weights differ by ")


def test_a_rank_that_fails_alone_ends_the_pair_and_the_next_plugin_gets_another(strangers):
    outcome = Check(strangers["stuck"], ranks_agree).run()
    assert outcome.status == "failed"
    assert "\n" not in outcome.message
    assert "rank 0 has had enough" in outcome.message
    assert Check(current_registry().get(metaopt.OptimizerSpec, "sgd"), ranks_agree).run().status == "passed"
    Pair.current().close()


def test_a_rank_whose_process_dies_is_told_with_its_last_words(strangers):
    outcome = Check(strangers["dying"], ranks_agree).run()
    assert outcome.status == "failed"
    assert outcome.message == "On two ranks the process of rank 1 died with status 3: rank 1 has had enough."


def test_slow_checks_are_run_where_they_are_asked_for():
    spec = current_registry().get(metaopt.OptimizerSpec, "sgd")
    names = {check.name for check in checks_for(spec)}
    assert {check.name for check in checks_for(spec, slow=True)} - names == {"ranks_agree", "trains_sharded"}
    stopper = current_registry().get(metaopt.StopperSpec, "patience")
    assert len(checks_for(stopper, slow=True)) == len(checks_for(stopper))
