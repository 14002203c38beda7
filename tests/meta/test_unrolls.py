"""Meta-gradients of many episodes at once: against a loop written out, in segments, through graphs."""

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.utils._pytree import tree_leaves

from metaopt.contracts import Episodes
from metaopt.meta.inner_loop import InnerLoop
from metaopt.meta.unrolls import CACHED, Unrolls
from metaopt.meta.vmapped_episode import Window
from tests.meta.conftest import blob_task, learned, small_waves

pytestmark = pytest.mark.thorough

STEPS = 3


def episodes_of(task, count=4):
    return task.source.sample("train", count, torch.Generator().manual_seed(3))


def theta_of(inner_loop, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return inner_loop.meta.init_theta(inner_loop.parameters, generator, inner_loop.assembly.meta_values)


def found(task, assembly, mode="eager", limit=2**40, first_order=False, window=None):
    inner_loop = InnerLoop(task, assembly, first_order)
    theta = theta_of(inner_loop)
    episodes = episodes_of(task)
    starts = None if inner_loop.learns_start(theta) else inner_loop.starts(list(range(len(episodes))))
    return Unrolls(inner_loop, theta, mode, limit).gradient(
        theta, window or Window(episodes, None, 0, STEPS, STEPS), None, starts
    )


def by_hand(task, theta, rate, first_order):
    """MAML, episode by episode, in plain autograd."""
    module, episodes = task.build(0), episodes_of(task)
    start = {name: theta[f"start.{name}"].clone().requires_grad_(True) for name, _ in module.named_parameters()}
    total = torch.zeros(())
    for row in range(len(episodes)):
        current = dict(start)
        for _ in range(STEPS):
            output = functional_call(module, current, (episodes.support_inputs[row],))
            loss = task.loss(output, episodes.support_targets[row])
            grads = torch.autograd.grad(loss, list(current.values()), create_graph=not first_order)
            current = {name: value - rate * grad for (name, value), grad in zip(current.items(), grads, strict=True)}
        output = functional_call(module, current, (episodes.query_inputs[row],))
        total = total + task.loss(output, episodes.query_targets[row]) / len(episodes)
    grads = torch.autograd.grad(total, list(start.values()))
    return total.detach(), dict(zip(start, grads, strict=True))


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("task", [small_waves(), blob_task()], ids=["waves", "blobs"])
def test_maml_is_the_gradient_through_the_steps(task, first_order):
    assembly = learned("maml", lr=0.05)
    gradient = found(task, assembly, first_order=first_order)
    objective, expected = by_hand(task, theta_of(InnerLoop(task, assembly)), 0.05, first_order)
    torch.testing.assert_close(gradient.objective, objective)
    for name, value in expected.items():
        torch.testing.assert_close(gradient.theta[f"start.{name}"], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["maml", "anil", "meta_sgd", "meta_lstm", "l2l_lstm"])
def test_segments_give_the_gradient_of_the_whole(name):
    """A limit of one byte leaves one episode and one step a graph."""
    task, assembly = small_waves(), learned(name)
    whole, parts = found(task, assembly), found(task, assembly, limit=1)
    torch.testing.assert_close(parts.objective, whole.objective)
    for key, value in whole.theta.items():
        torch.testing.assert_close(parts.theta[key], value, rtol=1e-4, atol=1e-6, msg=key)
    for part, value in zip(tree_leaves(parts.carry), tree_leaves(whole.carry), strict=True):
        torch.testing.assert_close(part, value, rtol=1e-4, atol=1e-6)


def test_segments_count_the_losses_along_the_way_once():
    task, assembly = small_waves(), learned("l2l_lstm")
    episodes = episodes_of(task)
    window = Window(episodes, None, 0, STEPS, STEPS, 1 / STEPS, 1 / STEPS)
    whole, parts = found(task, assembly, window=window), found(task, assembly, limit=1, window=window)
    torch.testing.assert_close(parts.objective, whole.objective)
    for key, value in whole.theta.items():
        torch.testing.assert_close(parts.theta[key], value, rtol=1e-4, atol=1e-6, msg=key)


@pytest.mark.parametrize("name", ["maml", "meta_sgd", "meta_lstm", "proto_maml"])
def test_replayed_graphs_give_what_running_gives(name):
    task, assembly = blob_task(), learned(name)
    eager, replayed = found(task, assembly), found(task, assembly, mode="replayed")
    for key, value in eager.theta.items():
        torch.testing.assert_close(replayed.theta[key], value, rtol=1e-4, atol=1e-6, msg=key)


def test_a_compiled_graph_gives_what_running_gives():
    task, assembly = small_waves(), learned("meta_sgd")
    eager, compiled = found(task, assembly), found(task, assembly, mode="compiled")
    for key, value in eager.theta.items():
        torch.testing.assert_close(compiled.theta[key], value, rtol=1e-4, atol=1e-5, msg=key)


def test_no_episode_sees_another():
    """The gradient of four episodes is the mean of their own."""
    task, assembly = blob_task(), learned("meta_sgd")
    inner_loop = InnerLoop(task, assembly)
    theta, episodes = theta_of(inner_loop), episodes_of(task)
    unrolls = Unrolls(inner_loop, theta, "eager")
    several = unrolls.gradient(theta, Window(episodes, None, 0, STEPS, STEPS), None, None)
    alone = [
        unrolls.gradient(
            theta,
            Window(Episodes(*(one[row : row + 1] for one in episodes.tensors)), None, 0, STEPS, STEPS),
            None,
            None,
        )
        for row in range(len(episodes))
    ]
    for key, value in several.theta.items():
        mean = torch.stack([one.theta[key] for one in alone]).mean(0)
        torch.testing.assert_close(mean, value, rtol=1e-4, atol=1e-6, msg=key)


def normed():
    return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5))


@pytest.mark.parametrize("policy", ["batch", "support", "frozen"])
def test_batch_norm_is_never_written_to(policy):
    task = blob_task(normed, batch_norm=policy)
    inner_loop = InnerLoop(task, learned("maml"))
    before = {name: one.clone() for name, one in inner_loop.module.named_buffers()}
    theta = theta_of(inner_loop)
    Unrolls(inner_loop, theta, "eager").gradient(theta, Window(episodes_of(task), None, 0, STEPS, STEPS), None, None)
    after = dict(inner_loop.module.named_buffers())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_batch_norm_policies_differ_in_whose_statistics_queries_see():
    """With `support` and `frozen`, a query's output does not depend on the other queries; with `batch` it does."""
    for policy, depends in (("batch", True), ("support", False), ("frozen", False)):
        task = blob_task(normed, batch_norm=policy)
        inner_loop = InnerLoop(task, learned("maml"))
        theta, episodes = theta_of(inner_loop), episodes_of(task, 1)
        support, targets = episodes.support_inputs[0], episodes.support_targets[0]
        params, state = inner_loop.begin(theta, inner_loop.parameters, (support, targets), torch.tensor(1.0))
        few, many = (
            inner_loop.query(
                params, state, support, episodes.query_inputs[0][:count], episodes.query_targets[0][:count]
            )
            for count in (2, 20)
        )
        first, all_of_it = float(few[0]), float(many[0])
        one_by_one = [
            float(
                inner_loop.query(
                    params, state, support, episodes.query_inputs[0][row:][:2], episodes.query_targets[0][row:][:2]
                )[0]
            )
            for row in range(0, 20, 2)
        ]
        assert (abs(sum(one_by_one) / 10 - all_of_it) > 1e-5) is depends, policy
        assert first == pytest.approx(one_by_one[0])


# How many episodes are computed together.


def unrolls_of(width, limit=2**40):
    task = blob_task(lambda: nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 5)))
    inner_loop = InnerLoop(task, learned("maml", lr=0.1))
    theta = inner_loop.meta.init_theta(inner_loop.parameters, torch.Generator().manual_seed(0), {})
    return task, Unrolls(inner_loop, theta, limit=limit)


def test_small_models_go_all_together():
    task, unrolls = unrolls_of(16)
    assert unrolls.side_by_side(episodes_of(task, 64)) == 64


def test_wide_outputs_go_in_even_parts_that_the_cache_holds():
    task, unrolls = unrolls_of(20_000)
    widest = 20 * 20_000 * 4  # 20 queries
    assert CACHED // widest == 7
    assert unrolls.side_by_side(episodes_of(task, 32)) == 4
    assert unrolls.side_by_side(episodes_of(task, 31)) == 7  # 31 has no divisor near


def test_without_memory_they_go_one_by_one():
    task, unrolls = unrolls_of(16, limit=1)
    assert unrolls.side_by_side(episodes_of(task, 8)) == 1
