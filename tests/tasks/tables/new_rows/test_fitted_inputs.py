"""What was fitted, as numbers: it computes what scikit-learn's transformer computes."""

import json

import numpy as np
import pandas as pd
import pytest

from metaopt.tasks.tables.columns.conversion import How
from metaopt.tasks.tables.columns.features import check_features, one_hot_places, preprocessor
from metaopt.tasks.tables.new_rows.fitted_inputs import FittedInputs, known_labels
from metaopt.tasks.tables.settings import TableSettings

NUM_ROWS = 2000


def columns():
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "number": draw.normal(3, 2, NUM_ROWS),
            "label": draw.choice(["x", "y", "z", None], NUM_ROWS),
            "street": [f"v{code}" if code < 290 else None for code in draw.integers(0, 300, NUM_ROWS)],
            "district": [f"w{code}" for code in draw.integers(0, 200, NUM_ROWS)],
            "rare": [f"r{code}" for code in draw.geometric(0.02, NUM_ROWS)],
            "hashed": [f"h{code}" for code in draw.integers(0, 30, NUM_ROWS)],
        }
    )
    frame.loc[::7, "number"] = np.nan
    settings = TableSettings(hash=("hashed",), categories=("rare",))
    features, refusals = check_features(frame, settings.categories, How(settings))
    assert not refusals
    return features


def fitted(num_classes):
    draw, features = np.random.default_rng(1), columns()
    targets = draw.normal(size=NUM_ROWS) if num_classes == 1 else draw.integers(0, num_classes, NUM_ROWS)
    transformer = preprocessor(features, num_classes).fit(features.frame.iloc[:1500], targets[:1500])
    return features, transformer, FittedInputs.of(transformer, features)


@pytest.mark.parametrize("num_classes", [1, 2, 3])
def test_it_computes_what_the_transformer_computes_to_the_last_bit(num_classes):
    features, transformer, inputs = fitted(num_classes)
    reference = transformer.transform(features.frame).astype(np.float32)  # rows of the fit, and others
    np.testing.assert_array_equal(inputs.transform(features.frame), reference)
    assert inputs.width == reference.shape[1]
    assert inputs.one_hot_places == one_hot_places(transformer, features)


def test_it_is_plain_json():
    *_, inputs = fitted(3)
    assert FittedInputs.from_json(json.loads(json.dumps(inputs.to_json()))) == inputs


def test_labels_that_nobody_has_seen_are_what_the_transformer_makes_of_them():
    features, transformer, inputs = fitted(2)
    strange = features.frame.iloc[:3].assign(label="?!", street="nowhere", district="nowhere", rare="never")
    np.testing.assert_array_equal(inputs.transform(strange), transformer.transform(strange).astype(np.float32))


def test_numbers_alone_need_no_labels():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
    features, _ = check_features(frame, ())
    inputs = FittedInputs.of(preprocessor(features).fit(frame), features)
    assert inputs.transform(frame)[:, 0].tolist() == pytest.approx([-(1.5**0.5), 0.0, 1.5**0.5])
    assert inputs.one_hot_places == ()


def test_a_label_in_another_dress_is_known():
    known = known_labels(["7.0", "007", "true", "8", "red", "Red"], ["7", "True", "red"])
    assert known == {"7.0": "7", "007": "7", "true": "True", "8": "8", "red": "red", "Red": "Red"}
