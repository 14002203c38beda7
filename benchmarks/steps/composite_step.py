"""What one optimizer over two classes adds to a step of the two called by hand: AdamW, fused, and SGD, by role.

    python -m benchmarks.steps.composite_step [--width 128] [--layers 6] [--threads 1] [--rounds 200] [--json]

A language model: a table and a head, blocks of four matrices, norms and biases. Matrices belong to SGD with momentum,
all else to AdamW; by hand these are the two classes with the same groups, each stepped by its own line of code. Both
step the same parameters' copies in turn; medians of processor time over rounds of 10 steps, and of the ratios of
rounds. Limit: 1.03. Under it stands the same for zeroing gradients and for `state_dict()`, without a limit.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import metaopt

#: Steps a measurement.
CALLS = 10
LIMIT = 1.03
SETTINGS: dict[str, Any] = {
    "lr": 1e-3,
    "no_decay": "1d",
    "roles": {"matrix": {"optimizer": "sgd"}},
    "sgd.lr": 1e-2,
    "sgd.momentum": 0.9,
    "sgd.weight_decay": 1e-4,
}


def model_of(width: int, layers: int) -> nn.Module:
    """A model with gradients, the same at every call."""
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True)
    ends = {"table": nn.Embedding(64, width), "head": nn.Linear(width, 64)}
    model = nn.ModuleDict(
        {"table": ends["table"], "blocks": nn.TransformerEncoder(block, layers), "head": ends["head"]}
    )
    for param in model.parameters():
        param.grad = 0.01 * torch.randn_like(param)
    return model


def by_hand(model: nn.Module) -> list[torch.optim.Optimizer]:
    """The two classes, with the groups that roles make."""
    roles, params = metaopt.roles(model), dict(model.named_parameters())
    matrices = [param for name, param in params.items() if roles[name] == "matrix"]
    others = [param for name, param in params.items() if roles[name] != "matrix"]
    groups = [
        {"params": [param for param in others if param.ndim > 1]},
        {"params": [param for param in others if param.ndim <= 1], "weight_decay": 0.0},
    ]
    return [
        torch.optim.AdamW(groups, lr=1e-3, fused=True),
        torch.optim.SGD(matrices, lr=1e-2, momentum=0.9, weight_decay=1e-4),
    ]


def contenders(width: int, layers: int) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """For each part of a step, one optimizer and the two called by hand."""
    one = metaopt.create_optimizer("adamw", model_of(width, layers), implementation="native", **SETTINGS)
    first, second = by_hand(model_of(width, layers))

    def step_both() -> None:
        first.step()
        second.step()

    def saved() -> None:
        first.state_dict()
        second.state_dict()

    return {"step": (one.step, step_both), "state_dict": (one.state_dict, saved)}


def seconds(function: Callable[[], object]) -> float:
    """Processor time of some calls."""
    start = time.process_time()
    for _ in range(CALLS):
        function()
    return (time.process_time() - start) / CALLS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    params = list(model_of(options.width, options.layers).parameters())
    report: dict[str, Any] = {
        "tensors": len(params),
        "numbers": sum(param.numel() for param in params),
        "threads": options.threads,
        "rounds": options.rounds,
        "torch": torch.__version__,
    }
    for part, (one, both) in contenders(options.width, options.layers).items():
        taken: tuple[list[float], list[float]] = ([], [])
        for number in range(options.rounds + 3):
            order = (0, 1) if number % 2 else (1, 0)
            for side in order:
                taken[side].append(seconds((one, both)[side]))
        sides = [times[3:] for times in taken]
        ratio = statistics.median(a / b for a, b in zip(*sides, strict=True))
        report[part] = {"one": statistics.median(sides[0]), "by_hand": statistics.median(sides[1]), "ratio": ratio}
    show(report)
    if options.json:
        print(json.dumps(report))


def show(report: dict[str, Any]) -> None:
    print(
        f"{report['tensors']} tensors, {report['numbers'] / 1e6:.1f} M numbers; {report['threads']} threads, torch "
        f"{report['torch']}, medians of {report['rounds']} rounds in turn"
    )
    for part, limit in (("step", f"   limit {LIMIT:.2f}"), ("state_dict", "")):
        own = report[part]
        print(
            f"  {part:12} one optimizer {own['one'] * 1e6:9.1f} µs   by hand {own['by_hand'] * 1e6:9.1f} µs   "
            f"ratio {own['ratio']:.3f}{limit}"
        )


if __name__ == "__main__":
    main()
