import pytest
import torch
from torch import nn

from metaopt.learners import one_hot
from metaopt_learners.relation_net import fit, init_theta, predict

HPARAMS = {"hidden": 5}
TARGETS = torch.tensor([0, 1, 1, 2])
LABELS = one_hot(TARGETS, 3, torch.float32)


def maps_module(theta):
    """The network in torch's modules, with these weights."""
    module = nn.Sequential(
        nn.Conv2d(8, 4, 3, padding=1, bias=False), nn.GroupNorm(4, 4), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.GroupNorm(4, 4), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 1),
    )  # fmt: skip
    module.load_state_dict(dict(zip(module.state_dict(), theta.values(), strict=True)))
    return module


def vectors_module(theta):
    module = nn.Sequential(nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 1))
    module.load_state_dict(dict(zip(module.state_dict(), theta.values(), strict=True)))
    return module


@pytest.mark.parametrize(
    ("shape", "module"), [((4, 5, 5), maps_module), ((6,), vectors_module)], ids=["maps", "vectors"]
)
def test_each_query_is_compared_with_each_class_by_the_network(shape, module):
    generator = torch.Generator().manual_seed(0)
    theta = init_theta(shape, generator, HPARAMS)
    support, queries = torch.randn(4, *shape, generator=generator), torch.randn(2, *shape, generator=generator)
    got = predict(fit(support, LABELS, theta, HPARAMS), queries, theta, HPARAMS)
    network = module(theta)
    with torch.no_grad():
        for row, query in enumerate(queries):
            for number in range(3):
                mean = support[number == TARGETS].mean(0)
                relation = float(network(torch.cat([mean, query]).unsqueeze(0)))
                assert float(got[row, number]) == pytest.approx(relation, abs=1e-4)


def test_maps_of_one_pixel_and_odd_channels_are_taken():
    theta = init_theta((3, 1, 1), torch.Generator().manual_seed(0), HPARAMS)
    support = torch.randn(4, 3, 1, 1)
    assert predict(fit(support, LABELS, theta, HPARAMS), support, theta, HPARAMS).shape == (4, 3)
