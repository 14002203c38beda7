"""Where no example is at hand, a model that may have several raw inputs has none that is known."""

from itertools import pairwise

import pytest
from torch import nn

import metaopt


def perceptron(*widths):
    return nn.Sequential(*(nn.Linear(before, after) for before, after in pairwise(widths)))


AMBIGUOUS = {
    "towers": {"users": perceptron(5, 16, 8), "films": perceptron(7, 16, 8)},
    "actor and critic": {"actor": perceptron(8, 64, 64, 3), "critic": perceptron(8, 64, 64, 1)},
    "an image and a table": {"image": nn.Conv2d(3, 16, 3), "table": nn.Linear(13, 16), "head": nn.Linear(32, 2)},
    "series": {"one": nn.LSTM(3, 16), "other": nn.GRU(5, 16), "head": nn.Linear(32, 2)},
}
PLAIN = {
    "a convolutional net": [nn.Conv2d(3, 16, 3), nn.Conv2d(16, 32, 3), nn.Linear(32 * 49, 64), nn.Linear(64, 10)],
    "skips": [nn.Conv2d(1, 16, 3), nn.Conv2d(16, 32, 3), nn.Conv2d(48, 16, 3), nn.Conv2d(17, 1, 1)],
    "gates": [nn.Linear(9, 64), nn.Linear(32, 64), nn.Linear(16, 64), nn.Linear(64, 2)],
    "a code": [nn.Linear(784, 64), nn.Linear(64, 2), nn.Linear(2, 64), nn.Linear(64, 784)],
    "both directions": [nn.LSTM(3, 16, bidirectional=True), nn.Linear(32, 16), nn.Linear(16, 1)],
}


def of_inputs(modules):
    return [name for name, role in metaopt.roles(modules).items() if role == "input"]


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_of_several_first_matrices_none_is_known(case):
    assert of_inputs(nn.ModuleDict(AMBIGUOUS[case])) == []


@pytest.mark.parametrize("case", PLAIN)
def test_a_chain_of_layers_has_one_first_matrix(case):
    assert len(of_inputs(nn.ModuleList(PLAIN[case]))) == (2 if case == "both directions" else 1)
