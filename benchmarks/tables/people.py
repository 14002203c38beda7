"""Counts how often `metaopt tune` is typed until a folder of tables trains.

    python -m benchmarks.tables.people FOLDER

The folder is copied. `metaopt show` is typed first, and the `corpus.toml` that it prints is pasted; whatever `tune`
refuses afterwards is one run more, until it trains or says the same twice. Trainings have 20 steps.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

#: What is asked here is whether it trains, not how well.
_SMALLEST = ("--n-trials", "2", "--optimizers", "sgd", "--controllers", "constant", "--compile", "off")

#: Runs after which somebody gives up.
_MOST = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="people") as home:
        folder = Path(home) / "tables"
        shutil.copytree(options.folder, folder)
        shown = _metaopt("show", str(folder), "--json")
        report = json.loads(shown.stdout)
        refusals = sum(len(table["refusals"]) for table in report["tables"])
        print(f"metaopt show: {len(report['tables'])} tables, {refusals} refusals, all at once")
        brief = "" if "[defaults]" in report["toml"] else "[defaults]\nnum_steps = 20\nnum_validations = 4\n\n"
        (folder / "corpus.toml").write_text(brief + report["toml"], encoding="utf-8")
        said = ""
        for run in range(1, _MOST + 1):
            done = _metaopt("tune", str(folder), "--out", f"{home}/out", *_SMALLEST)
            if done.returncode == 0:
                print(f"metaopt tune: trains in run {run}")
                return
            if done.stderr == said:
                break
            said = done.stderr
            print(f"metaopt tune, run {run}: {said.strip().splitlines()[-1]}")
    sys.exit("it does not train")


def _metaopt(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "metaopt", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main()
