"""Importing what a user wrote."""

import re
import sys

import pytest

from metaopt.errors import InputError
from metaopt.tasks.module_attribute import load_attribute


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_modules_of_the_current_folder_are_found(here):
    (here / "jobs_here.py").write_text("class Holder:\n    value = 7\n")
    assert load_attribute("jobs_here:Holder.value") == 7


def test_packages_of_the_current_folder_are_found(here):
    (here / "jobs_package").mkdir()
    (here / "jobs_package" / "inner.py").write_text("value = 8\n")
    assert load_attribute("jobs_package.inner:value") == 8


@pytest.mark.parametrize(
    ("text", "reference", "message"),
    [
        ("", "jobs_bad:corpus", "Module 'jobs_bad' has no attribute 'corpus'."),
        ("corpora = 3\n", "jobs_bad:corpus", "Module 'jobs_bad' has no attribute 'corpus'; it has corpora."),
        (
            "\n1 / 0\n",
            "jobs_bad:corpus",
            "'jobs_bad' raised ZeroDivisionError: division by zero (jobs_bad.py, line 2); fix",
        ),
        ("raise SystemExit(3)\n", "jobs_bad:corpus", "Module 'jobs_bad' raised SystemExit: 3 (jobs_bad.py, line 1)"),
        (
            "import no_such_thing\n",
            "jobs_bad:corpus",
            "Module 'jobs_bad' needs 'no_such_thing', which is not installed",
        ),
        ("x = (\n", "jobs_bad:corpus", "Module 'jobs_bad' raised SyntaxError: '(' was never closed"),
        ("", "jobs_gone:corpus", "There is no module 'jobs_gone'; run from the folder that holds it, or install its"),
        ("", "jobs_bad.py:corpus", "There is no module 'jobs_bad.py'; run from the folder that holds it"),
        ("", "dir/jobs_bad:corpus", "'dir/jobs_bad:corpus' must be written 'package.module:attribute', with dots"),
        ("", "jobs_bad:", "'jobs_bad:' must be written 'package.module:attribute'"),
    ],
)
def test_what_cannot_be_imported_is_refused_in_one_sentence(here, text, reference, message):
    (here / "jobs_bad.py").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        load_attribute(reference)
