"""Predictors come back from their folders."""

import json
import sys

import numpy as np
import pytest

import metaopt
from metaopt.prediction.storage import DOCUMENT


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rents", "lets"])
def test_a_loaded_one_predicts_the_same(tables, new_rows, tmp_path, name):
    predictor = metaopt.fit("default", tables / f"{name}.csv")
    predictor.save(tmp_path)
    loaded = metaopt.load_predictor(tmp_path)
    np.testing.assert_array_equal(loaded.predict(new_rows), predictor.predict(new_rows))
    assert loaded.record == predictor.record
    assert repr(loaded) == repr(predictor)


@pytest.mark.slow
def test_embeddings_are_made_again(tables, new_rows, tmp_path):
    (tmp_path / "rents.csv").write_bytes((tables / "rents.csv").read_bytes())
    (tmp_path / "corpus.toml").write_text("[rents]\nembeddings = true\nnum_steps = 60\n")
    predictor = metaopt.fit("default", tmp_path / "rents.csv")
    assert type(predictor.model[0]).__name__ == "CategoryEmbeddings"
    predictor.save(tmp_path / "kept")
    loaded = metaopt.load_predictor(tmp_path / "kept")
    np.testing.assert_array_equal(loaded.predict(new_rows), predictor.predict(new_rows))


def test_the_users_model_is_found_by_its_name(tables, new_rows, tmp_path, monkeypatch):
    (tmp_path / "rents.csv").write_bytes((tables / "rents.csv").read_bytes())
    (tmp_path / "corpus.toml").write_text('[rents]\nmodel = "my_rent_models:linear"\nnum_steps = 60\n')
    (tmp_path / "my_rent_models.py").write_text(
        "import torch\n\n\ndef linear(i, o):\n    return torch.nn.Linear(i, o)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    predictor = metaopt.fit("default", tmp_path / "rents.csv")
    predictor.save(tmp_path / "kept")
    np.testing.assert_array_equal(
        metaopt.load_predictor(tmp_path / "kept").predict(new_rows), predictor.predict(new_rows)
    )
    (tmp_path / "my_rent_models.py").write_text(
        "import torch\n\n\ndef linear(i, o):\n    return torch.nn.Linear(i, 7)\n"
    )
    sys.modules.pop("my_rent_models")
    with pytest.raises(metaopt.InputError, match="do not fit the model 'my_rent_models:linear'"):
        metaopt.load_predictor(tmp_path / "kept")
    sys.modules.pop("my_rent_models")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reader": {}}, "is damaged: it lacks 'columns'"),
        ({"record": {"recipe": 1}}, "is damaged"),
        ({"reader": None}, "is damaged"),
    ],
)
def test_a_damaged_document_is_a_sentence(tables, tmp_path, changes, message):
    metaopt.fit("default", tables / "rents.csv", num_steps=20, all_rows=False).save(tmp_path)
    document = json.loads((tmp_path / DOCUMENT).read_text())
    (tmp_path / DOCUMENT).write_text(json.dumps({**document, **changes}))
    with pytest.raises(metaopt.InputError, match=message):
        metaopt.load_predictor(tmp_path)
