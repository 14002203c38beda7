"""URLs of storages: what may be seen of them, and of paths with characters that mean something in a URL."""

import contextlib
import logging
import traceback

import pytest
import sqlalchemy as sa

import metaopt
from metaopt.tuning import rebuild
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.ledger.storage_url import shown, without_secrets
from metaopt.tuning.recorded.recorded_tasks import read_recorded

SECRETIVE = [
    "postgresql://meta:s3cretpw@localhost:notaport/m1",
    "meta:s3cretpw@localhost/m1",
    "meta:s3cretpw",
    "postgresql://meta@localhost:1/m1?password=s3cretpw",
    "postgresql://meta@localhost:1/m1?sslmode=nonsense&PASSWORD=s3cretpw",
    "postgresql://meta@localhost:1/m1?pasword=s3cretpw",
    "postgresql://meta@localhost:1/m1?sslpassword=s3cretpw&x=1",
    "postgresql://meta:s3cretpw@localhost:1/m1",
    "postgresql+psycopg://meta:s3cretpw@localhost:1/m1?connect_timeout=x",
    "postgresql://meta:s3cretpw",
    "postgresql://meta:s3cretpw/m1",
    "postgresql:/meta:s3cretpw@localhost/m1",
    "postgresql//meta:s3cretpw@localhost/m1",
    "postgresql:meta:s3cretpw@localhost/m1",
    " postgresql://meta:s3cretpw@localhost/m1",
    "postgresql://meta:s3cretpw@[::1:1/m1",
    "postgresql://meta:x/s3cretpw?y#z@localhost:1/m1",
    "postgresql://meta:ab@s3cretpw@localhost:1/m1",
    "postgresql://meta:s3cret%70w@localhost:1/m1",
    "nosuchdb://meta:s3cretpw@localhost/m1",
    "jdbc:postgresql://localhost/m1?user=meta&password=s3cretpw",
    "host=localhost user=meta password=s3cretpw",
    "host=localhost user=meta password = 's3cretpw and more'",
]


@pytest.mark.parametrize("url", SECRETIVE)
def test_a_password_is_shown_by_no_error_nor_by_what_it_comes_from(
    url, make_task, tmp_path, monkeypatch, caplog, capfd
):
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    for attempt in (
        lambda: metaopt.tune([make_task()], n_trials=1, storage=url, against=[]),
        lambda: metaopt.evaluate(metaopt.load_recipe("default"), [make_task()], against=[], storage=url),
        lambda: rebuild(url),
        lambda: read_recorded(url),
        lambda: Ledger(url),
    ):
        with pytest.raises(metaopt.MetaOptError) as caught:
            attempt()
        assert "s3cretpw" not in str(caught.value)
        assert "s3cretpw" not in "".join(traceback.format_exception(caught.value)).replace(repr(url), "")
        assert "s3cretpw" not in repr(caught.value)
        assert len(str(caught.value)) < 600
    assert "s3cretpw" not in caplog.text
    assert "s3cretpw" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user@host:5432/database?sslmode=require&connect_timeout=3",
        "sqlite:////data/a:b@c/study.db",
        "sqlite:///run?seed=1/study.db",
        "study.db",
        "nosuchdb://host/db",
    ],
)
def test_what_is_no_secret_is_shown(url):
    assert shown(url) == repr(url)


def test_the_password_of_an_encrypted_file_is_a_secret():
    assert shown("sqlite:///a.db?password=s3cretpw") == "'sqlite:///a.db?password=***'"


def test_a_url_made_by_sqlalchemy_is_hidden_too():
    url = sa.URL.create("postgresql", "meta", "s3cretpw", "localhost", query={"password": "another"})
    assert shown(url) == "'postgresql://meta:***@localhost?password=***'"


def test_a_password_that_is_a_word_takes_no_other_words_with_it():
    message = 'relation "metaopt_info" of meta does not exist; meta% and meta'
    assert (
        without_secrets(message, "postgresql://me:meta@h/d")
        == 'relation "metaopt_info" of *** does not exist; ***% and ***'
    )


def test_an_empty_url_is_refused(make_task):
    with pytest.raises(metaopt.StorageError, match="The storage '' cannot be opened"):
        metaopt.tune([make_task()], n_trials=1, storage="")
    with pytest.raises(metaopt.StorageError, match="The storage '' cannot be opened"):
        metaopt.evaluate(metaopt.load_recipe("default"), [make_task()], storage="")
    with contextlib.closing(Ledger("sqlite://")) as ledger:
        assert ledger.in_memory
