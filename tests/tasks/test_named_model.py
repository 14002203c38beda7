"""The user's model by name is tried before it is taken."""

import pytest
import torch

from metaopt.errors import InputError
from metaopt.tasks.named_model import named_model

MODULE = """
import torch
def linear(num_inputs, num_outputs):
    return torch.nn.Linear(num_inputs, num_outputs)
def narrow(num_inputs, num_outputs):
    return torch.nn.Linear(num_inputs, 1)
def fails(num_inputs, num_outputs):
    raise ValueError("no")
"""


def test_factories_are_tried(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "named_models.py").write_text(MODULE)

    def take(name):
        return named_model(f"named_models:{name}", (3, 2), "(num_inputs, num_outputs)", torch.zeros(2, 3), 2, "x.csv")

    torch.manual_seed(0)
    before = torch.get_rng_state()
    factory = take("linear")
    assert torch.equal(before, torch.get_rng_state())
    assert factory(3, 2).out_features == 2
    with pytest.raises(
        InputError, match=r"x\.csv: model 'named_models:fails' raised ValueError: no; it is called with"
    ):
        take("fails")
    with pytest.raises(InputError, match=r"must turn two rows into a tensor of shape \(2, 2\), got \(2, 1\)"):
        take("narrow")
