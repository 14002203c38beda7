"""Predictions, and tables that have them."""

import dataclasses

import numpy as np
import pytest

import metaopt


@pytest.fixture(scope="module")
def lets(tables):
    return metaopt.fit("default", tables / "lets.csv")


def test_a_table_gets_columns_beside_its_own(lets, new_rows):
    table = lets.table(new_rows)
    assert list(table.columns) == [*new_rows.columns, "predicted let", "probability of no", "probability of yes"]
    assert table["predicted let"].tolist() == lets.predict(new_rows).tolist()


def test_a_row_is_predicted_alike_whatever_rows_are_beside_it(lets, new_rows):
    whole = lets.predict_proba(new_rows)
    alone = np.concatenate([lets.predict_proba(new_rows.iloc[[row]]) for row in range(10)])
    np.testing.assert_allclose(whole[:10], alone, rtol=1e-12)


def test_the_index_of_a_frame_stays(lets, new_rows):
    shuffled = new_rows.sample(frac=1, random_state=0)
    assert lets.table(shuffled).index.tolist() == shuffled.index.tolist()
    assert lets.table(shuffled).sort_index()["predicted let"].tolist() == lets.predict(new_rows).tolist()


def test_numbers_have_no_probabilities(tables, new_rows):
    rents = metaopt.fit("default", tables / "rents.csv")
    assert list(rents.table(new_rows).columns) == [*new_rows.columns, "predicted rent"]
    with pytest.raises(metaopt.InputError, match="rent is a number, which has no probabilities"):
        rents.predict_proba(new_rows)


def test_it_says_what_it_is_in_a_line(lets):
    assert repr(lets).startswith("FittedPredictor(target='let', kind='classification', rows=240, recipe=")


def test_a_model_that_could_not_be_made_again_is_not_saved(lets, tmp_path):
    with pytest.raises(metaopt.InputError, match="made by a function"):
        dataclasses.replace(lets, is_known=False).save(tmp_path / "out")
    assert not (tmp_path / "out").exists()
