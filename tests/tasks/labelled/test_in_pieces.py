"""Evaluated a few at a time, a model answers as for all at once."""

import torch
from torch import nn

from metaopt.tasks.labelled.in_pieces import PIECE, InPieces


def test_it_answers_as_the_model_does():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    images, sizes = torch.randn(2 * PIECE + 5, 1, 4, 4), []
    model.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    pieces = InPieces(model).eval()
    torch.testing.assert_close(pieces(images), model(images))
    assert sizes == [PIECE, PIECE, 5, len(images)]
    pieces.train()(images)
    assert sizes[-1] == len(images)
