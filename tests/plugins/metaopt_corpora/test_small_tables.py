"""scikit-learn's small tables by few of their columns."""

import pytest
import torch
from sklearn import datasets

from metaopt_corpora.small_tables import table_splits


@pytest.mark.parametrize(("name", "sizes", "num_inputs"), [("iris", (35, 45), 2), ("wine", (45, 50), 5)])
def test_the_first_columns_are_taken_of_every_row_and_scaled_by_the_training_rows(name, sizes, num_inputs):
    splits = table_splits(name, sizes, num_inputs=num_inputs)
    data = getattr(datasets, f"load_{name}")()
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [len(data.target) - sum(sizes), *sizes]
    assert splits.train.inputs.mean(0).tolist() == pytest.approx([0.0] * num_inputs, abs=1e-3)
    assert splits.train.inputs.std(0, correction=0).tolist() == pytest.approx([1.0] * num_inputs, abs=1e-3)
    inputs, targets = (torch.cat([getattr(part, field) for part in parts]) for field in ("inputs", "targets"))
    # Scaling keeps the order of each column and its correlations.
    own, table = (
        torch.corrcoef(columns.double().T) for columns in (inputs, torch.from_numpy(data.data[:, :num_inputs]))
    )
    torch.testing.assert_close(own, table, rtol=0, atol=1e-3)
    assert targets.bincount().tolist() == torch.from_numpy(data.target).bincount().tolist()
