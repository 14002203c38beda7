"""The tiny training as a skorch net; imported after `importorskip`."""

import numpy as np
import torch
from skorch import NeuralNetRegressor
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn

from metaopt.integrations.skorch import RecipeCallback
from tests.integrations.tiny import EPOCHS, data, network


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = network()

    def forward(self, inputs):
        return self.net(inputs)


def split():
    """The first 48 rows train, the others validate, as in the plain loop."""
    inputs, targets = (part.numpy() for part in data())
    return predefined_split(Dataset(inputs[48:], targets[48:]))


def rows():
    return [part[:48].numpy() for part in data()]


def net_with(recipe="default", callbacks=(), module=Tiny, total_steps=None, **keywords):
    recipe_keywords = {"total_steps": total_steps, "bind": keywords.pop("bind", None)}
    callback = RecipeCallback(recipe, **recipe_keywords, restore_best=keywords.pop("restore_best", True))
    settings = {"max_epochs": EPOCHS, "verbose": 0, "batch_size": 8, "criterion": nn.MSELoss, **keywords}
    return NeuralNetRegressor(module, callbacks=[callback, *callbacks], **{"train_split": split(), **settings})


class Scaled(nn.Module):
    """A criterion that learns."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, outputs, targets):
        return ((outputs - targets).square() * torch.exp(-self.scale) + self.scale).mean()


def split_data():
    inputs, targets = (part.numpy() for part in data())
    return Dataset(inputs[48:], targets[48:])


def valid_loss(net):
    return np.mean([net.validation_step(batch)["loss"].item() for batch in net.get_iterator(split_data())])


def fail(text, *_):
    assert "Unable" not in text
