"""A document and weights, changed by one rename."""

import json

import pytest
import torch
from torch import nn

import metaopt
from metaopt.prediction.storage import DOCUMENT, is_predictor, read_predictor, save_predictor


def test_what_is_written_is_read(tmp_path):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    save_predictor({"a": [1, "ü"]}, model, tmp_path / "new" / "place")
    document, weights = read_predictor(tmp_path / "new" / "place")
    assert document["a"] == [1, "ü"]
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())


def test_tied_weights_are_written_twice(tmp_path):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    save_predictor({}, model, tmp_path)
    assert torch.equal(read_predictor(tmp_path)[1]["1.weight"], model[0].weight)


def test_saving_again_leaves_one_pair(tmp_path):
    for _ in range(3):
        save_predictor({}, nn.Linear(2, 2), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert is_predictor(tmp_path)


def test_what_a_killed_writer_left_is_not_read(tmp_path):
    old = nn.Linear(2, 2)
    save_predictor({}, old, tmp_path)
    (tmp_path / "weights-0123456789abcdef.safetensors").write_bytes(b"half")
    assert torch.equal(read_predictor(tmp_path)[1]["weight"], old.weight)


def test_damage_is_a_sentence(tmp_path):
    save_predictor({}, nn.Linear(2, 2), tmp_path)
    (weights,) = tmp_path.glob("weights-*")
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(metaopt.InputError, match=r"is damaged: weights-.* is not the file that was saved"):
        read_predictor(tmp_path)
    weights.unlink()
    with pytest.raises(metaopt.InputError, match="is damaged"):
        read_predictor(tmp_path)
    (tmp_path / DOCUMENT).write_text("{")
    with pytest.raises(metaopt.InputError, match="is damaged"):
        read_predictor(tmp_path)


def test_another_version_is_refused(tmp_path):
    save_predictor({}, nn.Linear(2, 2), tmp_path)
    document = json.loads((tmp_path / DOCUMENT).read_text())
    (tmp_path / DOCUMENT).write_text(json.dumps({**document, "metaopt_predictor": 99}))
    with pytest.raises(metaopt.InputError, match=r"another version of metaopt \(format 99\)"):
        read_predictor(tmp_path)


def test_a_folder_without_one_is_refused(tmp_path):
    with pytest.raises(metaopt.InputError, match="does not exist"):
        read_predictor(tmp_path / "absent")
    with pytest.raises(metaopt.InputError, match=r"holds no predictor\.json"):
        read_predictor(tmp_path)
