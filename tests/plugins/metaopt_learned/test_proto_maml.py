"""Proto-MAML's last layer is made of the support set's class means, and its own start plays no part."""

import torch
import torch.nn.functional as F
from torch.func import functional_call

from metaopt.meta.inner_loop import InnerLoop
from metaopt.meta.unrolls import Unrolls
from metaopt.meta.vmapped_episode import Window
from tests.meta.conftest import blob_task, learned


def gradient_of(name, task):
    """Of the query loss without any step, where maml has its learned head and proto_maml one of means."""
    inner_loop = InnerLoop(task, learned(name, lr=0.0))
    theta = inner_loop.meta.init_theta(
        inner_loop.parameters, torch.Generator().manual_seed(0), inner_loop.assembly.meta_values
    )
    episodes = task.source.sample("train", 2, torch.Generator().manual_seed(3))
    window = Window(episodes, None, 0, 1, 1)
    return Unrolls(inner_loop, theta, "eager").gradient(theta, window, None, None), theta, episodes


def test_the_head_is_the_nearest_mean_classifier_of_the_support_set():
    task = blob_task()
    found, theta, episodes = gradient_of("proto_maml", task)
    module, losses = task.build(0), []
    start = {name: theta[f"start.{name}"] for name, _ in module.named_parameters()}
    for support_x, support_y, query_x, query_y in zip(*episodes.tensors, strict=True):
        features, queries = (functional_call(module[:2], body(start), (inputs,)) for inputs in (support_x, query_x))
        means = torch.stack([features[support_y == label].mean(0) for label in range(5)])
        losses.append(F.cross_entropy(-(queries[:, None] - means).square().sum(2), query_y))
    torch.testing.assert_close(found.objective, torch.stack(losses).mean(), rtol=1e-4, atol=1e-5)


def body(start):
    return {name: start[name] for name in ("0.weight", "0.bias")}


def test_the_start_of_the_last_layer_has_no_meta_gradient_and_that_of_the_others_has():
    task = blob_task()
    proto, maml = gradient_of("proto_maml", task)[0].theta, gradient_of("maml", task)[0].theta
    assert float(proto["start.2.weight"].abs().max()) == 0 < float(maml["start.2.weight"].abs().max())
    assert float(proto["start.0.weight"].abs().max()) > 0
