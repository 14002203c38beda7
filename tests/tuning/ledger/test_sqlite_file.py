"""A ledger lies in the file that its URL names, whatever that is called, and in no other one."""

import contextlib
from pathlib import Path

import pytest
import sqlalchemy as sa

import metaopt
from metaopt.cli.results import storage_in
from metaopt.tuning import rebuild
from metaopt.tuning.ledger.sqlite_file import ChangedFileError, DatabaseFile, check_exists, sqlite_file, sqlite_url

pytestmark = pytest.mark.thorough

NAMES = [
    "run?seed=1",
    "a#b",
    "50%",
    "a%3Fb",
    "with space",
    "données",
    "{vision}",
    "a&b=c",
    "c:d@e",
    "'quoted\"",
    "+plus",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_any_name_holds_its_own_study(name, tmp_path, make_task):
    out = tmp_path / name
    out.mkdir()
    url = storage_in(out)
    assert sqlite_file(sa.make_url(url)) == out / "study.db"
    small = {"n_trials": 1, "optimizers": ["sgd"], "controllers": ["constant"], "wrappers": [], "against": []}
    recipe = metaopt.tune([make_task(num_steps=6, num_validations=3)], storage=url, **small).recipe
    assert (out / "study.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    again = rebuild(url, corpus=[make_task(num_steps=6, num_validations=3)])
    assert again.recipe.configuration == recipe.configuration


def test_files_of_sqlite_s_own_urls_are_known(tmp_path):
    for text, file in (
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("sqlite:///file::memory:?uri=true", None),
        ("sqlite:///file:x?mode=memory&uri=true", None),
        ("sqlite:///file:/a/b.db?mode=ro&uri=true", Path("/a/b.db")),
        ("sqlite:///file:///a/b.db?uri=true", Path("/a/b.db")),
        ("sqlite:///a/b.db", Path("a/b.db")),
        ("postgresql://h/d", None),
    ):
        assert sqlite_file(sa.make_url(text)) == file
    assert sqlite_url(tmp_path / "x.db") == f"sqlite:///{tmp_path / 'x.db'}"


def test_a_name_that_no_url_can_hold_is_refused(tmp_path):
    with pytest.raises(metaopt.InputError, match="has a name that is not UTF-8, which no URL can hold; rename it"):
        sqlite_url(tmp_path / "half \ud800.db")


def test_a_file_that_is_not_there_is_named_and_not_made(tmp_path):
    path = tmp_path / "study.db"
    with pytest.raises(metaopt.StorageError, match=r"There is no study at .*study.db': the file .* does not exist"):
        check_exists(f"sqlite:///{path}")
    assert not path.exists()
    path.touch()
    check_exists(f"sqlite:///{path}")
    check_exists("sqlite://")  # which begins empty


def test_a_file_is_known_by_its_number_and_not_by_its_name(tmp_path):
    path = tmp_path / "study.db"
    path.touch()
    file = DatabaseFile.of(sa.make_url(f"sqlite:///{path}"))
    file.check()
    path.rename(tmp_path / "old.db")
    with pytest.raises(ChangedFileError, match="its file was deleted while it was in use"):
        file.check()
    path.touch()
    with pytest.raises(ChangedFileError, match="its file was replaced by another one"):
        file.check()
    path.unlink()
    with contextlib.suppress(OSError):
        (tmp_path / "old.db").rename(path)
    file.check()


def test_where_there_is_no_file_nothing_can_change():
    file = DatabaseFile.of(sa.make_url("sqlite://"))
    assert file.path is None
    file.check()
    assert file.account(ValueError("no such row")) == "no such row; what it held before is intact"
