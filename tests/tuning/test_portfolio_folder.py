"""A portfolio's folder holds its recipes in their order, and a half-written one is read as the old or the new one."""

import json

import pytest

import metaopt
from metaopt import Configuration
from metaopt.tuning.portfolio_folder import PORTFOLIO, read_recipes, save_recipes


def recipes(*rates):
    return tuple(metaopt.Recipe.create(Configuration("adamw", hparams={"adamw.lr": rate})) for rate in rates)


def test_recipes_come_back_in_their_order_with_the_documents_fields(tmp_path):
    saved = recipes(1e-3, 1e-2, 1e-1)
    save_recipes(saved, {"scores": [[1.0]]}, tmp_path / "new" / "portfolio")
    read, document = read_recipes(tmp_path / "new" / "portfolio")
    assert read == saved
    assert document["scores"] == [[1.0]]
    assert document["recipes"] == ["1", "2", "3"]
    assert len(set(document["sha256"])) == 3


def test_nothing_lies_beside_the_numbered_folders(tmp_path):
    save_recipes(recipes(1e-3, 1e-2), {}, tmp_path)
    save_recipes(recipes(1e-2, 1e-3), {}, tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"1", "2", PORTFOLIO}


def test_what_others_put_beside_it_stays(tmp_path):
    (tmp_path / "notes.1").mkdir()
    (tmp_path / "1.0123456789abcdef").mkdir()
    save_recipes(recipes(1e-3), {}, tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"1", PORTFOLIO, "notes.1"}


def test_a_recipe_that_has_not_its_number_yet_is_found_beside(tmp_path):
    old, new = recipes(1e-3), recipes(1e-2)
    save_recipes(new, {}, tmp_path)
    digest = json.loads((tmp_path / PORTFOLIO).read_text())["sha256"][0]
    (tmp_path / "1").rename(tmp_path / f"1.{digest[:16]}")
    old[0].save(tmp_path / "1")
    assert read_recipes(tmp_path)[0] == new


def test_a_recipe_that_was_changed_by_hand_is_read_as_it_is(tmp_path):
    save_recipes(recipes(1e-3), {}, tmp_path)
    changed = recipes(1e-2)
    changed[0].save(tmp_path / "1")
    assert read_recipes(tmp_path)[0] == changed


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        ({}, "the field 'recipes' is missing"),
        ({"recipes": []}, "must list a name and a hash of each recipe"),
        ({"recipes": [1]}, "must list a name and a hash of each recipe"),
        ({"recipes": ["1"], "sha256": []}, "must list a name and a hash of each recipe"),
        ([], "There is no portfolio in"),
    ],
)
def test_a_damaged_document_is_no_portfolio(tmp_path, document, cause):
    (tmp_path / PORTFOLIO).write_text(json.dumps(document))
    with pytest.raises(metaopt.RecipeError, match="There is no portfolio in") as refused:
        read_recipes(tmp_path)
    assert cause in str(refused.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(metaopt.RecipeError, match="The portfolio could not be written to"):
        save_recipes(recipes(1e-3), {}, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"
