"""Documents, settings, names and plugin files as people and accidents make them."""

import json
import random
import tomllib
from pathlib import Path
from typing import Any

import torch
from torch import nn

import metaopt
from benchmarks.robustness.fuzz_recipes import recipes, replace_by_no_file, written
from benchmarks.robustness.fuzz_truth import changed, damaged, hostile, require
from metaopt.configuration import assemble
from metaopt.plugin.registry import Registry, current_registry
from metaopt.tasks.tables.settings import read_settings
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.start_from import known_settings

_TOML = """[defaults]
num_steps = 30
validation = 0.25

[t]
task = "regression"
family = "mine"
batch_size = 16
drop = ["a", "b"]
"""


def toml(rng: random.Random, folder: Path) -> None:
    """Settings read from corpus.toml equal those that a TOML parser reads."""
    text = _TOML
    act = rng.randrange(6)
    if act == 0:
        key = rng.choice(["num_steps", "validation", "batch_size", "task", "family", "drop", "x", "x" * 5_000])
        text += f"{key if rng.random() < 0.9 else repr(key)} = {_toml_value(rng)}\n"
    elif act == 1:
        key = rng.choice(["num_steps = 30", "validation = 0.25", 'task = "regression"', "batch_size = 16"])
        text = text.replace(key, f"{key.split(' = ')[0]} = {_toml_value(rng)}")
    elif act == 2:
        text += f"[{rng.choice(['u', 'x' * 5_000, 'defaults', 't.u', chr(34) + chr(34)])}]\n"
    content = text.encode()
    if act == 3:
        content = damaged(rng, content)
    if act == 4:
        content = b"\xef\xbb\xbf" + content
    if act == 5:
        content = text.replace("\n", "\r\n").encode()
    (folder / "corpus.toml").write_bytes(content)
    settings = read_settings(folder, ["t"])["t"]
    document = tomllib.loads(content.decode("utf-8-sig"))
    expected = {**document.get("defaults", {}), **document.get("t", {})}
    for key, value in expected.items():
        actual = getattr(settings, key)
        require(actual == (tuple(value) if isinstance(value, list) else value), f"{key}: {actual!r:.100}")


def _toml_value(rng: random.Random) -> str:
    return rng.choice(
        [
            "1" + "0" * 400,
            "1" + "0" * 5_000,
            "-1",
            "0",
            "nan",
            "inf",
            "1979-05-27",
            "'x'",
            "''",
            '"' + "x y " * 2_000 + '"',
            "true",
            "[]",
            "[1]",
            "[" * 3_000,
            "{a = " * 3_000,
            "{}",
            "0.5",
            "1.5",
            "3",
            "",
            "'regression'",
            '"\\ud800"',
            "0x10",
            "[['a']]",
            "0.1" + "1" * 5_000,
        ]
    )


def setting(rng: random.Random, folder: Path) -> None:
    """`--set` narrows the hyperparameter that it names to the values in its text."""
    owner = rng.choice(["adamw", "sgd", "adamw", "wsd", "nothing", "", "x" * 5_000])
    key = rng.choice(["lr", "lr", "beta1", "weight_decay", "momentum", "nesterov", "x", "", "x" * 5_000])
    number = rng.choice(
        [
            "1e-3",
            "0.1",
            "1",
            "-1",
            "nan",
            "inf",
            "-Infinity",
            "1" + "0" * 400,
            "1" + "0" * 5_000,
            "0." + "1" * 5_000,
            "true",
            "x y " * 2_000,
            "[" * 50_000,
            "1_000",
            "1,5",
            "٣",
            "0x10",
            "",
            " ",
            "null",
            "\ud800",
            "1e999",
            "1e-999",
        ]
    )
    if rng.random() < 0.3:
        owner, key, number = "adamw", "lr", rng.choice(["1e-3", "0.1", "2.5E-2", "+1e-4", " 0.01 "])
    text = f"{owner}.{key}={number}"
    act = rng.random()
    if act < 0.4:
        text = f"{owner}.{key}={number}..{rng.choice(['1', '1e-5', '0.5', '1e400', 'x', '', '9' * 5_000])}"
    elif act < 0.5:
        text = rng.choice(["", "=", ".", "..", "a=b=c", "adamw.lr", "adamw.lr==1", "adamw.lr=1...2", "x" * 5_000])
    space = joint_space(current_registry(), optimizers=["adamw", "sgd"], controllers=["wsd"], settings=[text])
    ((name, narrowed),) = space.overrides.items()
    require(name == f"{owner}.{key}", f"{text!r:.100} narrowed {name}")
    low, _, high = text.partition("=")[2].partition("..")
    expected = (
        [json.loads(bound.strip().lower()) for bound in (low, high) if bound]
        if not isinstance(narrowed, str)
        else [narrowed]
    )
    actual = [narrowed.low, narrowed.high] if isinstance(narrowed, metaopt.Float | metaopt.Int) else [narrowed]
    require(actual == expected, f"{text!r:.100} was taken for {actual}")


def start_from(rng: random.Random, folder: Path) -> None:
    """The settings of `--start-from` are those of the file."""
    entry: Any = {"optimizer": "adamw", "controller": "cosine", "hparams": {"adamw.lr": 0.01}}
    document: Any = [entry, {"configuration": {"optimizer": "sgd"}}]
    recipes()["default"].save(folder / "recipe")
    path = folder / "list.json"
    act = rng.choice(["value", "value", "value", "itself", "circle", "deep", "recipe", "file"])
    if act == "value":
        document = changed(rng, document)
    elif act == "itself":
        document = [entry, rng.choice(["list.json", "./list.json", "../" + folder.name + "/list.json"])]
    elif act == "circle":
        (folder / "other.json").write_text('["list.json"]')
        document = ["other.json", entry]
    elif act == "deep":
        document = entry
        for _ in range(rng.choice([3, 30, 200])):
            document = [document]
    elif act == "recipe":
        document = ["recipe", rng.choice(["recipe/recipe.json", "nowhere", "x" * 5_000, "a\0b", ".", "", "default"])]
    path.write_bytes(written(rng, document))
    if act == "file":
        replace_by_no_file(rng, path)
    if rng.random() < 0.1:
        own: list[Any] = [entry]
        own.append(own)
        known_settings(own, current_registry())
    configurations = known_settings(str(path), current_registry())
    require(
        all(
            configuration.optimizer in path.read_text() + recipes()["default"].configuration.optimizer
            for configuration in configurations
        ),
        "an optimizer that is not there",
    )
    for configuration in configurations:
        assemble(configuration, current_registry())


def name(rng: random.Random, folder: Path) -> None:
    """Names of plugins, recipes and corpora that do not exist are refused."""
    text = rng.choice(
        [
            "x" * 5_000,
            "x/" * 3_000,
            "a\0b",
            "\ud800",
            "",
            " ",
            ".",
            "/dev/zero",
            "/dev/null",
            "x y " * 2_000,
            "💥" * 2_000,
            "sys:exit",
            "builtins:max",
            "builtins:dict",
            "os:nothing",
            "json:loads",
            "os:getcwd",
            "x:y",
            ":",
            "a:" * 2_000,
            "a.b.c:" + "d." * 2_000 + "e",
            str(folder),
            "[" * 5_000,
            "*" * 300,
            "adamw\n",
            "../" * 2_000,
            "this:that",
            "x.csv",
        ]
    )
    model = nn.Linear(2, 1)
    acts = [
        lambda: metaopt.load_corpus(text),
        lambda: metaopt.load_recipe(text),
        lambda: metaopt.create_optimizer(text, model),
        lambda: metaopt.create_scheduler(text, torch.optim.SGD(model.parameters()), total_steps=5),
        lambda: metaopt.create_stopper(text),
        lambda: metaopt.create_stopper("patience", **{text: 3}),
        lambda: metaopt.create_optimizer("adamw", model, lr=hostile(rng)),
        lambda: metaopt.create_scheduler("wsd", torch.optim.SGD(model.parameters()), total_steps=hostile(rng)),
        lambda: metaopt.load_recipe("default").bind(model, total_steps=hostile(rng)),
        lambda: metaopt.load_recipe("default").bind(model, total_steps=5, mode=hostile(rng)),
        lambda: known_settings(text, current_registry()),
        lambda: metaopt.Configuration("adamw", wrappers=hostile(rng)),
        lambda: metaopt.Configuration("adamw", hparams=hostile(rng)),
        lambda: metaopt.BlackBoxTask(text, text, lambda recipe, seed: iter(()), num_steps=hostile(rng)),
        lambda: metaopt.Float(hostile(rng), 1.0),
        lambda: metaopt.load_corpus(hostile(rng)),
    ]
    rng.choice(acts)()


def plugin(rng: random.Random, folder: Path) -> None:
    """Plugin files that fail are refused by name, and their neighbours work."""
    body = rng.choice(
        [
            "raise SystemExit(3)",
            "raise KeyboardInterrupt",
            "raise GeneratorExit",
            "raise BaseException('x' * 5000)",
            "import sys; sys.exit()",
            "raise AssertionError",
            "raise Exception('x y ' * 5000)",
            "def",
            "1 / 0",
            "\0",
            "x" * 5_000,
            "import nothing_of_this_name",
            "raise type('Odd', (BaseException,), {'__str__': lambda self: 1 / 0})()",
            "def f(): f()\nf()",
            "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(): raise SystemExit",
            "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(): raise KeyboardInterrupt",
            "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(): return [3, 'x' * 5000]",
            "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(): return metaopt",
            "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(x): return []",
            "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(): return [metaopt.StopperSpec('x' * 5000, '1')]",
            "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(): return [metaopt.StopperSpec(10 ** 5000, '1')]",
            "",
        ]
    )
    path = folder / "mine.py"
    path.write_text(body)
    if rng.random() < 0.3:
        metaopt.load_corpus(f"{folder.name}.mine:corpus" if rng.random() < 0.5 else "mine:corpus")
    Registry().load_file(path)
