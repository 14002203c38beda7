"""What a step with each task's gradient costs, PCGrad over four tasks: here, in LibMTL's and torchjd's way.

    python -m benchmarks.multitask.step_cost [--packages FOLDER] [--rounds 15] [--trunks 64-32 …]

All sides take the same model (a trunk, four heads of 10 classes), the same batch and a core; a step is a forward
pass, the losses, each task's gradient of the trunk, PCGrad, and `grad` of all parameters. `LibMTL` and `torchjd` are
found in the folder (`pip install --no-deps --target FOLDER torchjd LibMTL`), else left out. LibMTL's weighting is
loaded by itself, for its models need torchvision. `one by one` is a backward pass a task and the mean, no surgery.
`parameters` and `representation` are the levels of a surgery here, in a user's loop; `engine` is one of 32 members side
by side, with the update of AdamW that the others lack. Rounds take turns; microseconds of a core's time, medians.
"""

import argparse
import importlib
import statistics
import sys
import time
import types
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import metaopt
from metaopt.configuration import assemble
from metaopt.inner import Graphs, Member, train
from metaopt.plugin import current_registry

TASKS, MEMBERS, ENGINE_STEPS = 4, 32, 40


def mlp(*widths: int) -> Callable[[], nn.Module]:
    """Linear layers, each with a ReLU."""

    def make() -> nn.Module:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        return nn.Sequential(*layers)

    return make


def convolutions() -> nn.Module:
    """Two blocks on images of 16 × 16."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(128, 64), nn.ReLU()),
    )


#: What makes a trunk, the shape of an example, and the width of the trunk's output; batches of 64.
TRUNKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "64-32": (mlp(64, 32), (64,), 32),
    "64-64-32": (mlp(64, 64, 32), (64,), 32),
    "64-256-256": (mlp(64, 256, 256), (64,), 256),
    "784-512-512": (mlp(784, 512, 512), (784,), 512),
    "conv": (convolutions, (1, 16, 16), 64),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--trunks", nargs="*", choices=tuple(TRUNKS), default=tuple(TRUNKS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.packages is not None:
        sys.path.insert(0, str(options.packages))
    print(
        f"torch {torch.__version__}, one thread, {options.rounds} rounds; microseconds of a core, PCGrad, {TASKS} tasks"
    )
    for name in options.trunks:
        make, shape, width = TRUNKS[name]
        torch.manual_seed(0)
        model = metaopt.SharedTrunk(make(), {f"task {task}": nn.Linear(width, 10) for task in range(TASKS)})
        inputs = torch.randn(64, *shape)
        targets = {task: torch.randint(10, (64,)) for task in model.heads}
        costs = measured(sides(model, inputs, targets, options.packages), options.rounds)
        costs["engine"] = engine_step(make, inputs, targets, width)
        others = [costs[side] for side in ("LibMTL", "torchjd", "one by one") if side in costs]
        print(f"\n{name:<14}" + "".join(f"{side:>16}" for side in costs))
        print(f"{'':<14}" + "".join(f"{cost:>16.0f}" for cost in costs.values()))
        for place, other in enumerate(side for side in ("LibMTL", "torchjd", "one by one") if side in costs):
            own = {side: costs[side] / others[place] for side in ("parameters", "representation", "engine")}
            print(
                f"  against {other:<12}" + "".join(f"{side} {ratio:.2f}   " for side, ratio in own.items()), flush=True
            )


def sides(
    model: metaopt.SharedTrunk, inputs: Tensor, targets: dict[str, Tensor], packages: Path | None
) -> dict[str, Callable[[], object]]:
    """A step of each side."""

    def losses() -> dict[str, Tensor]:
        return {name: F.cross_entropy(output, targets[name]) for name, output in model(inputs).items()}

    def plain() -> None:
        model.zero_grad()
        torch.stack(list(losses().values())).mean().backward()

    def one_by_one() -> None:
        model.zero_grad()
        shared, rows = list(model.trunk.parameters()), []
        each = list(losses().values())
        for place, loss in enumerate(each):
            for param in shared:
                param.grad = None
            loss.backward(retain_graph=place + 1 < len(each))
            rows.append(torch.cat([param.grad.reshape(-1) for param in shared if param.grad is not None]))
        parts = torch.stack(rows).mean(0).split([param.numel() for param in shared])
        for param, part in zip(shared, parts, strict=True):
            param.grad = part.view_as(param)

    known: dict[str, Callable[[], object]] = {"plain mean": plain, "one by one": one_by_one}
    known |= {} if packages is None else others(model, inputs, targets, losses, packages)
    for level in ("parameters", "representation"):
        hparams = {"pcgrad.level": level}
        recipe = metaopt.Recipe.create(metaopt.Configuration("sgd", surgery="pcgrad", hparams=hparams))
        run = recipe.bind(model)

        def here(run: Any = run) -> None:
            model.zero_grad()
            run.backward(losses())

        known[level] = here
    return known


def others(
    model: metaopt.SharedTrunk,
    inputs: Tensor,
    targets: dict[str, Tensor],
    losses: Callable[[], dict[str, Tensor]],
    packages: Path,
) -> dict[str, Callable[[], object]]:
    """Steps of LibMTL and torchjd."""
    for name in ("LibMTL", "LibMTL.weighting"):
        package = types.ModuleType(name)
        package.__path__ = [str(packages / name.replace(".", "/"))]
        sys.modules[name] = package
    weighting = importlib.import_module("LibMTL.weighting.PCGrad").PCGrad()
    weighting.task_num, weighting.device, weighting.rep_grad = TASKS, "cpu", False
    weighting.get_share_params = model.trunk.parameters
    weighting.zero_grad_share_params = lambda: model.trunk.zero_grad(set_to_none=False)
    autojac = importlib.import_module("torchjd.autojac")
    aggregator = importlib.import_module("torchjd.aggregation").PCGrad()

    def libmtl() -> None:
        model.zero_grad(set_to_none=False)
        weighting.backward(list(losses().values()))

    def torchjd() -> None:
        model.zero_grad()
        features = model.trunk(inputs)
        each = [F.cross_entropy(head(features), targets[name]) for name, head in model.heads.items()]
        autojac.mtl_backward(each, features=features)
        autojac.jac_to_grad(model.trunk.parameters(), aggregator)

    return {"LibMTL": libmtl, "torchjd": torchjd}


def measured(steps: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Microseconds of a step of each side, in turns."""
    costs: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(rounds):
        for name, step in steps.items():
            began = time.process_time()
            for _ in range(5):
                step()
            costs[name].append((time.process_time() - began) / 5)
    return {name: 1e6 * statistics.median(own) for name, own in costs.items()}


def engine_step(make: Callable[[], nn.Module], inputs: Tensor, targets: dict[str, Tensor], width: int) -> float:
    """Microseconds of a step of one member among many."""
    tasks = [
        metaopt.Task(
            name=name,
            family="cost",
            model=make,
            data=metaopt.Splits(*[metaopt.Split(inputs, own)] * 3),
            loss=F.cross_entropy,
        )
        for name, own in targets.items()
    ]
    task = metaopt.MultiTask(
        name="cost",
        family="cost",
        tasks=tasks,
        trunk=make,
        heads=lambda: nn.Linear(width, 10),
        num_steps=ENGINE_STEPS,
        num_validations=1,
    )
    assembly = assemble(metaopt.Configuration("adamw", surgery="pcgrad"), current_registry())
    members, graphs, costs = [Member(assembly, 0)] * MEMBERS, Graphs(), []
    for _ in range(3):
        began = time.process_time()
        train(task, members, engine="population", compile="off", graphs=graphs)
        costs.append(time.process_time() - began)
    return 1e6 * min(costs[1:]) / MEMBERS / ENGINE_STEPS


if __name__ == "__main__":
    main()
