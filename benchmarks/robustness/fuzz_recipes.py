"""Recipes and their weights as people and accidents make them."""

import hashlib
import json
import math
import os
import random
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

import metaopt
from benchmarks.robustness.fuzz_truth import changed, damaged, require
from metaopt.recipe.storage import shipped_recipes


@cache
def recipes() -> dict[str, metaopt.Recipe]:
    return {name: metaopt.load_recipe(name) for name in shipped_recipes()}


def recipe(rng: random.Random, folder: Path) -> None:
    """A recipe that loads is what its document says, and can be bound, saved and loaded again."""
    chosen = rng.choice(list(recipes().values()))
    chosen.save(folder)
    path = folder / "recipe.json"
    document = json.loads(path.read_text())
    for _ in range(rng.randrange(1, 3)):
        document = changed(rng, document)
    content = written(rng, document)
    if rng.random() < 0.2:
        content = damaged(rng, path.read_bytes())
    if rng.random() < 0.1:
        content = b"\xef\xbb\xbf" + content
    path.write_bytes(content)
    if rng.random() < 0.05:
        replace_by_no_file(rng, path)
    loaded = metaopt.load_recipe(folder)
    expected = json.loads(path.read_text(encoding="utf-8-sig"))["configuration"]
    require(loaded.configuration.optimizer == expected["optimizer"], "another optimizer")
    require(dict(loaded.configuration.hparams) == expected.get("hparams", {}), "other hyperparameters")
    loaded.save(folder / "again")
    require(metaopt.load_recipe(folder / "again") == loaded, "another recipe when saved again")
    _train(loaded)


def written(rng: random.Random, document: Any) -> bytes:
    text = json.dumps(document, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.1:
        text = text.replace("1", "1" + "0" * rng.choice([400, 5_000]), 1)
    if rng.random() < 0.05:
        text = rng.choice(["[" * 50_000, '{"a":' * 50_000, "", "null", "3", text * 2, text[: len(text) // 2]])
    return text.encode(errors="surrogatepass")


def replace_by_no_file(rng: random.Random, path: Path) -> None:
    path.unlink()
    act = rng.choice(
        [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path), lambda path: os.symlink(path, path)]
    )
    act(path)


def _train(recipe: metaopt.Recipe) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    run = recipe.bind(model, total_steps=4)
    for _ in range(2):
        run.optimizer.zero_grad()
        loss = model(torch.ones(4, 3)).square().mean()
        loss.backward()
        run.step(loss)
    run.observe(loss.item())


def weights(rng: random.Random, folder: Path) -> None:
    """Weights that load are finite, float32, and train."""
    name = rng.choice([name for name, loaded in recipes().items() if loaded.theta])
    recipes()[name].save(folder)
    path, theta = folder / "theta.safetensors", dict(recipes()[name].theta or {})
    act = rng.choice(["none", "bytes", "bytes", "file", "theta", "theta", "theta", "gone"])
    if act == "bytes":
        whole = path.read_bytes()
        path.write_bytes(damaged(rng, whole))
        require_same = path.read_bytes() == whole
        if not require_same and rng.random() < 0.5:
            _sign(folder)
    elif act == "file":
        replace_by_no_file(rng, path)
    elif act == "gone":
        path.unlink()
    elif act == "theta":
        key = rng.choice(list(theta))
        _spoil(rng, theta, key)
        path.write_bytes(save({name: tensor.contiguous() for name, tensor in theta.items()}))
        _sign(folder)
    loaded = metaopt.load_recipe(folder)
    _train(loaded)
    weights_read = loaded.theta or {}
    require(all(bool(torch.isfinite(tensor).all()) for tensor in weights_read.values()), "weights that are not finite")
    require({tensor.dtype for tensor in weights_read.values()} == {torch.float32}, "weights of another dtype")


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
    """Write the digest of the changed weights into the document."""
    document = json.loads((folder / "recipe.json").read_text())
    document["theta_sha256"] = hashlib.sha256((folder / "theta.safetensors").read_bytes()).hexdigest()
    (folder / "recipe.json").write_text(json.dumps(document))
