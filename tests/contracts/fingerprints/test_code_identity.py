"""Two tasks whose code differs are two tasks; two whose code is laid out differently are one."""

import importlib.util
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import metaopt
from metaopt.contracts.fingerprints import Part, identity

PART = Part("loss", "mine")
SPLIT = metaopt.Split(torch.arange(8.0)[:, None], torch.arange(8.0)[:, None])
SPLITS = metaopt.Splits(SPLIT, SPLIT, SPLIT)
_numbers = itertools.count()


def task(model=lambda: nn.Linear(1, 1), loss=nn.functional.mse_loss, **fields):
    return metaopt.Task("mine", "lines", model, SPLITS, loss, **fields)


def texts(name):
    """Python code by its headline."""
    _, *parts = re.split(r"^## (.*)\n", (Path(__file__).parent / name).read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def module(folder, text, name="mine"):
    """A module of this text; each has a file of its own."""
    path = folder / f"{name}_{next(_numbers)}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def of(folder, text):
    """The identity of `loss` in a module of this text."""
    return identity(module(folder, text).loss, PART)


PLAIN = """
import torch

def loss(output, targets):
    return (output - targets).square().mean()
"""

SAME = {
    "comments": PLAIN.replace("    return", "    # the mean square\n\n    return"),
    "a docstring": PLAIN.replace("    return", '    """The mean square."""\n    return'),
    "type hints": PLAIN.replace("(output, targets)", "(output: torch.Tensor, targets) -> torch.Tensor"),
    "layout": PLAIN.replace(
        "(output - targets).square().mean()", "(\n        (output   -targets)\n        .square().mean()\n    )"
    ),
    "where it is": "\n\nunrelated = 3\n" + PLAIN,
}

OTHER = {
    "an operation": PLAIN.replace("square", "abs"),
    "a constant": PLAIN.replace(".mean()", ".mean() * 2"),
    "a default": PLAIN.replace("targets)", "targets, weight=1)", 1),
    "another default": PLAIN.replace("targets)", "targets, weight=2)", 1),
    "an indentation": PLAIN.replace("    return", "    if output.ndim:\n        output = -output\n    return"),
    "another indentation": PLAIN.replace(
        "    return", "    if output.ndim:\n        pass\n    output = -output\n    return"
    ),
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_how_a_function_is_written_down_does_not_count(tmp_path, text):
    assert of(tmp_path, text) == of(tmp_path, PLAIN)


def test_what_a_function_does_counts(tmp_path):
    assert len({of(tmp_path, text) for text in (PLAIN, *OTHER.values())}) == len(OTHER) + 1


REACHED = texts("reached.txt")


@pytest.mark.parametrize("text", REACHED.values(), ids=REACHED)
def test_what_a_function_reaches_counts(tmp_path, text):
    one, again, other = (of(tmp_path, text.format(number)) for number in (1, 1, 2))
    assert one == again
    assert one != other


NEIGHBOUR = {
    "a module": "import {0}\ndef loss(o, t): return {0}.scale() * o",
    "a module by another name": "import {0} as by\ndef loss(o, t): return by.scale() * o",
    "a name of it": "from {0} import scale\ndef loss(o, t): return scale() * o",
    "a module inside": "def loss(o, t):\n    import {0}\n    return {0}.scale() * o",
    "a name inside": "def loss(o, t):\n    from {0} import scale as by\n    return by() * o",
}


@pytest.mark.parametrize("text", NEIGHBOUR.values(), ids=NEIGHBOUR)
def test_the_users_other_modules_count(tmp_path, monkeypatch, text):
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for number in (1, 2):
        helpers = f"helpers_{next(_numbers)}"
        (tmp_path / f"{helpers}.py").write_text(f"def scale():\n    return {number}\n\ndef other():\n    return 7\n")
        importlib.invalidate_caches()
        found.append(of(tmp_path, text.format(helpers)).strip())
        (tmp_path / f"{helpers}.py").unlink()
    assert found[0] != found[1]


IGNORED = texts("ignored.txt")


@pytest.mark.parametrize("text", IGNORED.values(), ids=IGNORED)
def test_what_changes_while_it_runs_does_not_count(tmp_path, text):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    assert of(folders[0], text.format(1)) == of(folders[1], text.format(2))


def test_a_library_counts_by_its_name():
    names = [
        nn.functional.mse_loss,
        nn.functional.l1_loss,
        torch.dist,
        nn.functional.max_pool1d,
        nn.functional.max_pool2d,
    ]
    assert len({identity(function, PART) for function in names}) == len(names)


def test_a_task_knows_itself_after_it_was_used():
    calls = []

    def train(recipe, seed):
        calls.append(seed)
        yield 1, 0.5

    one, again = (metaopt.BlackBoxTask("job", "jobs", train) for _ in range(2))
    before = one.fingerprint
    list(one.train(None, 0))
    assert one.fingerprint == again.fingerprint == before


def test_black_boxes_differ_by_their_code():
    def train(recipe, seed):
        yield 1, 0.5

    def other(recipe, seed):
        yield 1, 0.25

    boxes = [metaopt.BlackBoxTask("job", "jobs", code, version="1") for code in (train, other)]
    assert boxes[0].fingerprint != boxes[1].fingerprint
    assert boxes[0].fingerprint != metaopt.BlackBoxTask("job", "jobs", train, version="2").fingerprint


def few_shot(**fields):
    from metaopt.meta.task_episodes import TaskEpisodes

    given = {
        "model": lambda: nn.Linear(1, 1),
        "loss": nn.functional.mse_loss,
        "episodes": TaskEpisodes(task()),
        **fields,
    }
    return metaopt.FewShotTask("few", "lines", **given)


def test_few_shot_tasks_differ_by_their_code():
    def loss(output, targets):
        return (output - targets).abs().mean()

    made = [
        few_shot(),
        few_shot(loss=loss),
        few_shot(metric=loss),
        few_shot(model=lambda: nn.Sequential(nn.Linear(1, 1), nn.Tanh())),
        few_shot(version="2"),
    ]
    assert len({one.fingerprint for one in made}) == len(made)


UNREADABLE = (
    "def train(recipe, seed):\n    yield 1, 0.5\ndef loss(o, t):\n    return o\ndef model():\n    return Linear(1, 1)"
)


def unreadable():
    namespace = {"Linear": nn.Linear}
    exec(UNREADABLE, namespace)
    return namespace


def makers():
    code = unreadable()
    yield "loss", lambda **more: task(loss=code["loss"], **more)
    yield "metric", lambda **more: task(metric=code["loss"], **more)
    yield "model", lambda **more: task(model=code["model"], **more)
    yield "loss", lambda **more: task(loss=lambda o, t: code["loss"](o, t), **more)
    yield "train", lambda **more: metaopt.BlackBoxTask("mine", "jobs", code["train"], **more)
    yield "loss", lambda **more: few_shot(loss=code["loss"], **more)


@pytest.mark.parametrize(("part", "make"), list(makers()))
def test_code_without_a_source_asks_for_a_version(part, make):
    with pytest.raises(metaopt.InputError, match=f"in its {part} has no source .*give the task version=") as caught:
        _ = make().fingerprint
    assert len(str(caught.value)) < 300
    assert make(version="1").fingerprint == make(version="1").fingerprint
    assert make(version="1").fingerprint != make(version="2").fingerprint


def test_a_version_is_a_text():
    with pytest.raises(metaopt.InputError, match="version must be a text such as '1', got 1"):
        task(version=1)


SCRIPT = """
import torch, metaopt
from torch import nn
split = metaopt.Split(torch.zeros(2, 1), torch.zeros(2, 1))
names = {"b", "a", "c", "d"}
choices = {nn.ReLU, nn.Tanh, nn.GELU}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.names, self.layer, self.choices = names, nn.Linear(1, 1), choices
    def forward(self, inputs):
        return self.layer(inputs)
splits = metaopt.Splits(split, split, split)
task = metaopt.Task("t", "f", Net, splits, lambda o, t: (o - t).square().mean() * len(names))
print(task.fingerprint)
"""


@pytest.mark.slow
def test_a_fingerprint_is_the_same_in_every_process(tmp_path):
    found = set()
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "script.py").write_text(SCRIPT)
        environment = {**os.environ, "PYTHONHASHSEED": str(number)}
        command = [sys.executable, str(Path(folder.name, "script.py"))]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1
