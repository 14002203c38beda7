"""`metaopt plugins` lists what is installed, fast, and says what is broken."""

import json
import os
import subprocess
import sys

import pytest

from metaopt.cli import run


def test_json_lists_every_plugin_with_kind_version_distribution_and_status(capsys):
    assert run(["plugins", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    adamw = next(row for row in rows if row["name"] == "adamw")
    assert adamw["kind"] == "optimizer"
    assert adamw["distribution"] == "metaopt-torch"
    assert adamw["status"] == "ok"
    kinds = {"optimizer", "wrapper", "controller", "stopper", "learner", "weighting", "surgery", "corpus"}
    assert {row["kind"] for row in rows} == kinds


def test_the_table_has_a_line_a_plugin(capsys):
    assert run(["plugins"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["kind", "name", "version", "distribution", "summary"]
    assert any(line.split()[:2] == ["optimizer", "adamw"] for line in lines)


def test_a_broken_plugin_is_shown_with_its_cause_and_the_others_stay(tmp_path, monkeypatch, capsys):
    info = tmp_path / "broken_thing-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-thing\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[metaopt]\nthing = broken_thing_that_is_absent\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert run(["plugins"]) == 0
    found = capsys.readouterr()
    assert "adamw" in found.out
    assert "broken-thing 0.1 (thing = broken_thing_that_is_absent) — broken: ModuleNotFoundError" in found.err
    assert run(["plugins", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["distribution"] for row in rows if row["status"] != "ok"] == ["broken-thing"]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["plugins"], ["plugins", "--json"]])
def test_it_imports_nothing_heavy(arguments):
    heavy = ("optuna", "sklearn", "pandas", "rich", "sqlalchemy", "matplotlib", "torch._dynamo", "torch._inductor")
    code = f"import sys\nfrom metaopt.cli import run\nrun({arguments!r})\n"
    code += f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stderr.strip() == "[]"
