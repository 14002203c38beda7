"""What a study leaves in its folder."""

from metaopt import Configuration, Recipe
from metaopt.cli.results import DATABASE, _remove_numbered, storage_in


def test_the_storage_is_a_database_in_the_folder(tmp_path):
    assert storage_in(tmp_path).startswith("sqlite:///")
    assert storage_in(tmp_path).endswith(f"/{DATABASE}")


def test_recipes_of_an_earlier_larger_portfolio_are_removed_and_nothing_else(tmp_path):
    recipe = Recipe.create(Configuration("adamw"))
    for name in ("1", "2", "3", "notes"):
        recipe.save(tmp_path / name)
    (tmp_path / "4").mkdir()  # holds no recipe: somebody else's
    (tmp_path / "5").write_text("somebody else's")
    _remove_numbered(tmp_path, above=2)
    assert {entry.name for entry in tmp_path.iterdir()} == {"1", "2", "notes", "4", "5"}
