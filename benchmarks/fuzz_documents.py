"""Documents, settings, names and plugin files as people and accidents make them."""

import hashlib
import json
import math
import os
import random
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import torch
from fuzz_truth import changed, damaged, hostile, require
from safetensors.torch import save
from torch import nn

import metaopt
from metaopt.configuration import assemble
from metaopt.recipe.storage import shipped_recipes
from metaopt.registry import Registry, current
from metaopt.tasks.settings import read_settings
from metaopt.tuning.search_space import joint_space
from metaopt.tuning.start_from import known_settings

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
    """What is read of corpus.toml is what TOML says."""
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
    found = read_settings(folder, ["t"])["t"]
    document = tomllib.loads(content.decode("utf-8-sig"))
    said = {**document.get("defaults", {}), **document.get("t", {})}
    for key, value in said.items():
        mine = getattr(found, key)
        require(mine == (tuple(value) if isinstance(value, list) else value), f"{key}: {mine!r:.100}")


def _toml_value(rng: random.Random) -> str:
    return rng.choice(
        ["1" + "0" * 400, "1" + "0" * 5_000, "-1", "0", "nan", "inf", "1979-05-27", "'x'", "''", '"' + "x y " * 2_000 + '"',
         "true", "[]", "[1]", "[" * 3_000, "{a = " * 3_000, "{}", "0.5", "1.5", "3", "", "'regression'", '"\\ud800"', "0x10",
         "[['a']]", "0.1" + "1" * 5_000]
    )  # fmt: skip


@cache
def _recipes() -> dict[str, metaopt.Recipe]:
    return {name: metaopt.load_recipe(name) for name in shipped_recipes()}


def recipe(rng: random.Random, folder: Path) -> None:
    """A recipe that loads is what its document says, and can be bound, saved and loaded again."""
    chosen = rng.choice(list(_recipes().values()))
    chosen.save(folder)
    path = folder / "recipe.json"
    document = json.loads(path.read_text())
    for _ in range(rng.randrange(1, 3)):
        document = changed(rng, document)
    content = _json(rng, document)
    if rng.random() < 0.2:
        content = damaged(rng, path.read_bytes())
    if rng.random() < 0.1:
        content = b"\xef\xbb\xbf" + content
    path.write_bytes(content)
    if rng.random() < 0.05:
        _replace_by_no_file(rng, path)
    loaded = metaopt.load_recipe(folder)
    said = json.loads(path.read_text(encoding="utf-8-sig"))["configuration"]
    require(loaded.configuration.optimizer == said["optimizer"], "another optimizer")
    require(dict(loaded.configuration.hparams) == said.get("hparams", {}), "other hyperparameters")
    loaded.save(folder / "again")
    require(metaopt.load_recipe(folder / "again") == loaded, "another recipe when saved again")
    _train(loaded)


def _json(rng: random.Random, document: Any) -> bytes:
    text = json.dumps(document, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.1:
        text = text.replace("1", "1" + "0" * rng.choice([400, 5_000]), 1)
    if rng.random() < 0.05:
        text = rng.choice(["[" * 50_000, '{"a":' * 50_000, "", "null", "3", text * 2, text[: len(text) // 2]])
    return text.encode(errors="surrogatepass")


def _replace_by_no_file(rng: random.Random, path: Path) -> None:
    path.unlink()
    act = rng.choice(
        [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path), lambda path: os.symlink(path, path)]
    )
    act(path)


def _train(found: metaopt.Recipe) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    run = found.bind(model, total_steps=4)
    for _ in range(2):
        run.optimizer.zero_grad()
        loss = model(torch.ones(4, 3)).square().mean()
        loss.backward()
        run.step(loss)
    run.observe(loss.item())


def weights(rng: random.Random, folder: Path) -> None:
    """Weights that are taken are the recipe's, finite, and train."""
    name = rng.choice([name for name, found in _recipes().items() if found.theta])
    _recipes()[name].save(folder)
    path, theta = folder / "theta.safetensors", dict(_recipes()[name].theta or {})
    act = rng.choice(["bytes", "bytes", "file", "theta", "theta", "theta", "gone"])
    if act == "bytes":
        whole = path.read_bytes()
        path.write_bytes(damaged(rng, whole))
        require_same = path.read_bytes() == whole
        if not require_same and rng.random() < 0.5:
            _sign(folder)
    elif act == "file":
        _replace_by_no_file(rng, path)
    elif act == "gone":
        path.unlink()
    else:
        key = rng.choice(list(theta))
        _spoil(rng, theta, key)
        path.write_bytes(save({name: tensor.contiguous() for name, tensor in theta.items()}))
        _sign(folder)
    loaded = metaopt.load_recipe(folder)
    _train(loaded)
    found = loaded.theta or {}
    require(all(bool(torch.isfinite(tensor).all()) for tensor in found.values()), "weights that are not finite")
    require({tensor.dtype for tensor in found.values()} == {torch.float32}, "weights of another dtype")


def _spoil(rng: random.Random, theta: dict[str, torch.Tensor], key: str) -> None:
    tensor = theta[key]
    act = rng.randrange(6)
    if act == 0:
        theta[key] = tensor.to(rng.choice([torch.float64, torch.bfloat16, torch.float16, torch.int32, torch.bool]))
    elif act == 1:
        theta[key] = torch.full_like(tensor, rng.choice([math.nan, math.inf, -math.inf]))
    elif act == 2:
        theta[key] = torch.ones(rng.choice([(), (0,), (7,), (*tensor.shape, 1), tuple(tensor.shape[::-1]) or (2,)]))
    elif act == 3:
        del theta[key]
    elif act == 4:
        theta[rng.choice(["x", "x" * 5_000, "", "💥"])] = torch.ones(2)
    else:
        theta.clear()


def _sign(folder: Path) -> None:
    """Make the document say that these are its weights."""
    document = json.loads((folder / "recipe.json").read_text())
    document["theta_sha256"] = hashlib.sha256((folder / "theta.safetensors").read_bytes()).hexdigest()
    (folder / "recipe.json").write_text(json.dumps(document))


def setting(rng: random.Random, folder: Path) -> None:
    """`--set` narrows what it names to what it says."""
    owner = rng.choice(["adamw", "sgd", "adamw", "wsd", "nothing", "", "x" * 5_000])
    key = rng.choice(["lr", "lr", "beta1", "weight_decay", "momentum", "nesterov", "x", "", "x" * 5_000])
    number = rng.choice(
        ["1e-3", "0.1", "1", "-1", "nan", "inf", "-Infinity", "1" + "0" * 400, "1" + "0" * 5_000, "0." + "1" * 5_000, "true",
         "x y " * 2_000, "[" * 50_000, "1_000", "1,5", "٣", "0x10", "", " ", "null", "\ud800", "1e999", "1e-999"]
    )  # fmt: skip
    text = f"{owner}.{key}={number}"
    act = rng.random()
    if act < 0.4:
        text = f"{owner}.{key}={number}..{rng.choice(['1', '1e-5', '0.5', '1e400', 'x', '', '9' * 5_000])}"
    elif act < 0.5:
        text = rng.choice(["", "=", ".", "..", "a=b=c", "adamw.lr", "adamw.lr==1", "adamw.lr=1...2", "x" * 5_000])
    space = joint_space(current(), optimizers=["adamw", "sgd"], controllers=["wsd"], settings=[text])
    ((name, found),) = space.overrides.items()
    require(name == f"{owner}.{key}", f"{text!r:.100} narrowed {name}")
    low, _, high = text.partition("=")[2].partition("..")
    said = (
        [json.loads(bound.strip().lower()) for bound in (low, high) if bound] if not isinstance(found, str) else [found]
    )
    got = [found.low, found.high] if isinstance(found, metaopt.Float | metaopt.Int) else [found]
    require(got == said, f"{text!r:.100} was taken for {got}")


def start_from(rng: random.Random, folder: Path) -> None:
    """Settings to begin with are those of the file."""
    entry: Any = {"optimizer": "adamw", "controller": "cosine", "hparams": {"adamw.lr": 0.01}}
    document: Any = [entry, {"configuration": {"optimizer": "sgd"}}]
    _recipes()["default"].save(folder / "recipe")
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
    path.write_bytes(_json(rng, document))
    if act == "file":
        _replace_by_no_file(rng, path)
    if rng.random() < 0.1:
        own: list[Any] = [entry]
        own.append(own)
        known_settings(own, current())
    found = known_settings(str(path), current())
    require(all(one.optimizer in path.read_text() + "schedulefree" for one in found), "an optimizer that is not there")
    for one in found:
        assemble(one, current())


def name(rng: random.Random, folder: Path) -> None:
    """Names of things that do not exist."""
    text = rng.choice(
        ["x" * 5_000, "x/" * 3_000, "a\0b", "\ud800", "", " ", ".", "/dev/zero", "/dev/null", "x y " * 2_000, "💥" * 2_000,
         "sys:exit", "builtins:max", "builtins:dict", "os:nothing", "json:loads", "os:getcwd", "x:y", ":", "a:" * 2_000,
         "a.b.c:" + "d." * 2_000 + "e", str(folder), "[" * 5_000, "*" * 300, "adamw\n", "../" * 2_000, "this:that", "x.csv"]
    )  # fmt: skip
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
        lambda: known_settings(text, current()),
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
        ["raise SystemExit(3)", "raise KeyboardInterrupt", "raise GeneratorExit", "raise BaseException('x' * 5000)",
         "import sys; sys.exit()", "raise AssertionError", "raise Exception('x y ' * 5000)", "def", "1 / 0", "\0", "x" * 5_000,
         "import nothing_of_this_name", "raise type('Odd', (BaseException,), {'__str__': lambda self: 1 / 0})()",
         "def f(): f()\nf()", "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(): raise SystemExit",
         "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(): raise KeyboardInterrupt",
         "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(): return [3, 'x' * 5000]",
         "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(): return metaopt",
         "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(x): return []",
         "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(): return [metaopt.StopperSpec('x' * 5000, '1')]",
         "import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(): return [metaopt.StopperSpec(10 ** 5000, '1')]", ""]
    )  # fmt: skip
    path = folder / "mine.py"
    path.write_text(body)
    if rng.random() < 0.3:
        metaopt.load_corpus(f"{folder.name}.mine:corpus" if rng.random() < 0.5 else "mine:corpus")
    Registry().load_file(path)
