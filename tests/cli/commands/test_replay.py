"""`metaopt replay` on a file of runs."""

import json

import pandas as pd
import pytest


def rows(path, **columns):
    """Four runs that fall for ten steps and rise for ten."""
    values = [1 - step / 10 for step in range(1, 11)] + [0.05 * step for step in range(1, 11)]
    frame = pd.DataFrame(
        {"candidate": name, "task": "one", "step": step, "value": value}
        for name in "abcd"
        for step, value in enumerate(values, start=1)
    )
    frame.assign(**columns).to_csv(path, index=False)
    return path


def test_the_command_prints_draws_and_writes(run, tmp_path):
    path = rows(tmp_path / "runs.csv", horizon=20)
    done = run(
        "replay", path, "--stoppers", "patience,prechelt", "--out", tmp_path / "all.csv", "--plot", tmp_path / "p.png"
    )
    assert done.code == 0, done.err
    assert "clairvoyant who stops each at its best value saves 50.0% of the steps" in " ".join(done.out.split())
    table = pd.read_csv(tmp_path / "all.csv")
    assert set(table["stopper"]) == {"patience", "prechelt"}
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert run("replay", path, "--json").out.startswith("{")
    wrong = run("replay", path, "--stoppers", "nothing")
    assert wrong.code == 2
    assert "nothing" in wrong.err


@pytest.mark.slow
def test_a_ledger_is_replayed_by_its_url(run, tuned):
    done = run("replay", f"sqlite:///{tuned.folder / 'study.db'}", "--policies", "10", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["learned"] > 0
    assert found["front"]
    missing = run("replay", "sqlite:///nowhere.db")
    assert missing.code == 2
    assert "the file 'nowhere.db' does not exist" in missing.err
