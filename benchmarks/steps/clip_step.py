"""What `clip` around fused AdamW costs, beside `clip_grad_norm_` before it: 48 tensors, 8 M numbers.

    python -m benchmarks.steps.clip_step [--width 336] [--rounds 60] [--json]

Sides take turns in one process; medians of processor time, and of the ratio within each round, so that what else the
machine does falls on all. Once gradients are
longer than `max_norm`, so that each step scales them, and once they are shorter. The last side is a run with its guard,
whose reading of the norm the clipping shares.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

import metaopt

LAYERS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=336)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(1)
    count = len(tensors(options.width))
    numbers = sum(tensor.numel() for tensor in tensors(options.width))
    print(f"{count} tensors, {numbers / 1e6:.1f} M numbers, 1 thread, torch {torch.__version__}")
    report = {}
    for label, max_norm in (("longer than max_norm", 1.0), ("shorter than max_norm", 1e9)):
        print(f"  gradients {label}")
        sides = made(options.width, max_norm)
        times = measured(sides, options.rounds)
        first = next(iter(times))
        for name, seconds in times.items():
            ratio = statistics.median(one / other for one, other in zip(seconds, times[first], strict=True))
            report[f"{label}, {name}"] = {"ms": 1000 * statistics.median(seconds), "ratio": ratio}
            print(f"    {name:44}{1000 * statistics.median(seconds):8.2f} ms {ratio:7.3f}×", flush=True)
    if options.json:
        print(json.dumps(report))


def tensors(width: int) -> list[nn.Parameter]:
    """Those of a transformer, eight a block, each with a gradient."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(width,), (width,), (3 * width, width), (width, width), (4 * width, width), (4 * width,)]
    shapes += [(width, 4 * width), (width,)]
    params = []
    for shape in shapes * LAYERS:
        param = nn.Parameter(0.02 * torch.randn(shape, generator=generator))
        param.grad = torch.randn(shape, generator=generator)
        params.append(param)
    return params


def made(width: int, max_norm: float) -> dict[str, Callable[[], object]]:
    """Each side's step, with the gradients as they were before it."""
    plain = tensors(width)
    optimizer = torch.optim.AdamW(plain, fused=True)

    def by_hand() -> None:
        torch.nn.utils.clip_grad_norm_(plain, max_norm, foreach=True)
        optimizer.step()

    clipped = tensors(width)
    own = metaopt.create_optimizer("adamw", clipped, wrappers=["clip"], **{"clip.max_norm": max_norm})
    guarded, free = Held(width), Held(width)
    hparams = {"clip.max_norm": max_norm}
    recipe = metaopt.Recipe.create(metaopt.Configuration("adamw", wrappers=("clip",), hparams=hparams))
    run = recipe.bind(guarded, total_steps=10**6)
    bare = metaopt.Recipe.create(metaopt.Configuration("adamw")).bind(free, total_steps=10**6)
    bare_params = list(free.parameters())

    def guarded_by_hand() -> None:
        torch.nn.utils.clip_grad_norm_(bare_params, max_norm, foreach=True)
        bare.step()

    sides = {
        "clip_grad_norm_, fused AdamW": (by_hand, plain),
        "clip around adamw": (own.step, clipped),
        "clip_grad_norm_, run.step() of adamw": (guarded_by_hand, bare_params),
        "run.step() of clip around adamw": (run.step, list(guarded.parameters())),
    }
    return {name: Restored(step, params) for name, (step, params) in sides.items()}


class Held(nn.Module):
    """A module that holds the tensors."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.held = nn.ParameterList(tensors(width))


class Restored:
    """A step; `before()` puts back the gradients that it scales, outside of what is timed."""

    def __init__(self, step: Callable[[], object], params: list[nn.Parameter]) -> None:
        self._step, self._params = step, params
        self._grads = [param.grad.clone() for param in params if param.grad is not None]

    def before(self) -> None:
        torch._foreach_copy_([param.grad for param in self._params], self._grads)

    def __call__(self) -> object:
        return self._step()


def measured(sides: dict[str, Restored], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds + 3):
        for name in names if number % 2 else reversed(names):
            sides[name].before()
            began = time.thread_time()
            sides[name]()
            times[name].append(time.thread_time() - began)
    return {name: seconds[3:] for name, seconds in times.items()}


if __name__ == "__main__":
    main()
