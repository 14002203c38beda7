"""Which kinds of model can be meta-trained: every learnable rule and every learner on fourteen kinds of model.

Each pair goes through `metaopt.meta_train` (few iterations, second order where the rule has it), the recipe is saved
and loaded, and `metaopt.adapt` predicts the queries of a test episode. It works, or is refused in one sentence;
anything else that is raised is a fault. `loop` says that episodes go one after the other, since `torch.vmap` fails on
the model.
"""

import argparse
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import metaopt
from metaopt.plugin import LearnerSpec, OptimizerSpec, WrapperSpec, current_registry

WAYS, SIZE, EACH = 3, 8, 12


class Tied(nn.Module):
    """One matrix on the way in and on the way back, under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.back, self.head = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE), nn.Linear(SIZE, WAYS)
        self.back.weight = self.first.weight

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.back(self.first(inputs).relu()).relu())


class WithUnused(nn.Module):
    """A layer that no input passes, registered last."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.unused = nn.Linear(SIZE, 16), nn.Linear(16, WAYS), nn.Linear(3, 7)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs).relu())


class Recurrent(nn.Module):
    """An `nn.LSTM` over the coordinates."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.head = nn.LSTM(1, 8, batch_first=True), nn.Linear(8, WAYS)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.cells(inputs.unsqueeze(-1))[0][:, -1])


class Attending(nn.Module):
    """A transformer's layer over the coordinates."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(1, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, WAYS)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.layer(self.embedding(inputs.unsqueeze(-1))).mean(1))


class Branching(nn.Module):
    """A Python `if` on a value."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(SIZE, 16), nn.Linear(16, WAYS)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.body(inputs)
        return self.head(hidden.relu() if hidden.mean() > 0 else hidden.tanh())


def mlp(*between: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(nn.Linear(SIZE, 16), *(make() for make in between), nn.ReLU(), nn.Linear(16, WAYS))


def frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(SIZE, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, WAYS))
    model[0].requires_grad_(False)
    return model


def weight_normed() -> nn.Module:
    return nn.Sequential(weight_norm(nn.Linear(SIZE, 16)), nn.ReLU(), nn.Linear(16, WAYS))


KINDS: dict[str, Callable[[], nn.Module]] = {
    "MLP": mlp,
    "dropout": lambda: mlp(lambda: nn.Dropout(0.2)),
    "unused layer": WithUnused,
    "frozen layer": frozen,
    "tied": Tied,
    "LSTM": Recurrent,
    "batch norm": lambda: mlp(lambda: nn.BatchNorm1d(16)),
    "group norm": lambda: mlp(lambda: nn.GroupNorm(4, 16)),
    "layer norm": lambda: mlp(lambda: nn.LayerNorm(16)),
    "attention": Attending,
    "weight norm": weight_normed,
    "branch": Branching,
    "lazy": lambda: nn.Sequential(nn.LazyLinear(16), nn.ReLU(), nn.LazyLinear(WAYS)),
    "float64": lambda: mlp().double(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS), metavar="KIND")
    parser.add_argument("--methods", nargs="*", default=learnable(), help="rules, wrappers and learners")
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    print(f"{options.iterations} iterations, seed {options.seed}, torch {torch.__version__}")
    print(f"{'':18}" + "".join(f"{kind:>14}" for kind in options.kinds))
    counts, said, began = Counter[str](), dict[str, list[str]](), time.perf_counter()
    for method in options.methods:
        cells = []
        for kind in options.kinds:
            cell, why = outcome(method, kind, options)
            counts[cell.partition(",")[0]] += 1
            cells.append(cell)
            if why:
                said.setdefault(why, []).append(f"{method} × {kind}")
        print(f"{method:18}" + "".join(f"{cell:>14}" for cell in cells), flush=True)
    total = sum(counts.values())
    print(f"works {counts['works']} of {total}, refused in one sentence {counts['refused']}, raised {counts['raised']}")
    print(f"{(time.perf_counter() - began) / 60:.1f} min")
    for why, pairs in said.items():
        print(f"{', '.join(pairs)}\n    {why}")


def learnable() -> list[str]:
    """Names of everything that has weights to meta-train."""
    registry = current_registry()
    return [
        name
        for kind in (OptimizerSpec, WrapperSpec, LearnerSpec)
        for name in registry.names(kind)
        if kind is LearnerSpec or registry.get(kind, name).meta is not None
    ]


def outcome(method: str, kind: str, options: argparse.Namespace) -> tuple[str, str]:
    """What becomes of a pair, and what is said if it does not work."""
    lines: list[str] = []
    try:
        predicted = adapted(method, kind, options, lines.append)
    except metaopt.InputError as error:
        return ("refused" if "\n" not in str(error) else "raised"), str(error)
    except Exception as error:  # the fault that this looks for
        return "raised", f"{type(error).__name__}: {error}".splitlines()[0]
    if not bool(torch.isfinite(predicted).all()):
        return "raised", "predictions are not finite"
    return ("works, loop" if lines else "works"), ""


def adapted(method: str, kind: str, options: argparse.Namespace, announce: Callable[[str], None]) -> Tensor:
    """Predictions on the queries of a test episode, by a recipe that was meta-trained, saved and loaded."""
    task, registry = task_of(kind, options), current_registry()
    is_wrapper = method in registry.names(WrapperSpec)
    result = metaopt.meta_train(
        "sgd" if is_wrapper else method,
        task,
        wrappers=[method] if is_wrapper else [],
        seed=options.seed,
        compile="off",
        announce=announce,
    )
    with tempfile.TemporaryDirectory() as folder:
        result.recipe.save(Path(folder) / "recipe")
        recipe = metaopt.load_recipe(Path(folder) / "recipe")
    episode = task.sample("test", 1, torch.Generator().manual_seed(options.seed))
    inputs, targets, queries, _ = (tensor[0] for tensor in episode.tensors)
    return metaopt.adapt(task.build(options.seed), recipe, (inputs, targets))(queries)


def task_of(kind: str, options: argparse.Namespace) -> metaopt.FewShotTask:
    """Episodes of three classes of points, in the dtype of the model."""
    generator = torch.Generator().manual_seed(options.seed)
    dtype = torch.float64 if kind == "float64" else torch.float32
    labels = torch.arange(12).repeat_interleave(EACH)
    centres = 2 * torch.randn(12, SIZE, generator=generator)
    points = (centres[labels] + 0.5 * torch.randn(len(labels), SIZE, generator=generator)).to(dtype)
    episodes = metaopt.ClassEpisodes.from_arrays(
        points,
        labels.tolist(),
        (list(range(6)), [6, 7, 8], [9, 10, 11]),
        n_way=WAYS,
        k_shot=2,
        queries=4,
        evaluated_queries=4,
    )
    return metaopt.FewShotTask(
        name=kind.replace(" ", "_"),
        family="kinds",
        model=KINDS[kind],
        episodes=episodes,
        loss=F.cross_entropy,
        metric=metaopt.accuracy,
        mode="max",
        num_steps=2,
        num_iterations=options.iterations,
        num_validations=1,
        num_evaluated=4,
        episodes_per_iteration=2,
    )


if __name__ == "__main__":
    main()
