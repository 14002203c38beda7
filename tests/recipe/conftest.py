"""A recipe with weights, a stopper and a range."""

import pytest
import torch

from metaopt import Configuration, Recipe, StopperConfiguration
from metaopt.recipe import MadeOn

STOPPER = StopperConfiguration(
    "any", stoppers=(StopperConfiguration("patience", {"patience": 0.2}), StopperConfiguration("divergence"))
)


@pytest.fixture
def recipe():
    return Recipe.create(
        Configuration("adamw", "wsd", wrappers=("averaged",), hparams={"adamw.lr": 3e-4, "wsd.decay": 0.3}),
        STOPPER,
        theta={"layer.weight": torch.randn(3, 2), "half": torch.randn(4).bfloat16(), "scalar": torch.tensor(2.0)},
        made_on=MadeOn(parameters=(100, 10_000), batch_size=(16, 64), horizon=(100, 1000), dtypes=("float32",)),
        num_validations=20,
        provenance={
            "corpus": {"name": "starter", "fingerprint": "00ff"},
            "seeds": [0, 1],
            "scores": {"digits": {"value": 0.7, "interval": [0.6, 0.8]}},
        },
    )
