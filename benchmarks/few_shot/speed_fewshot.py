"""Speed of second-order meta-gradients: sinusoid Meta-SGD and four conv blocks, against what others offer.

Sinusoids: 32 waves, 10 points, MLP 1-40-40-1, one meta-gradient of start and rates at a time: with `higher`, with
TorchOpt (differentiable functional SGD, state by hand) and here, eager, replayed and compiled. Convolutions: 32 tasks,
5-way 1-shot on 28×28, four blocks of 64, second-order MAML: here against a loop over the tasks in plain torch. All
sides compute the same gradient, which is checked. Medians over rounds that take turns.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.contracts import Episodes
from metaopt.meta.inner_loop import InnerLoop
from metaopt.meta.unrolls import Unrolls
from metaopt.meta.vmapped_episode import Window
from metaopt.plugin.registry import current_registry
from metaopt_corpora.sinusoid_episodes import sinusoid_task

TASKS = 32
Side = Callable[[], Mapping[str, Tensor]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs="*", default=[1, 5], help="inner steps on the waves")
    parser.add_argument("--queries", type=int, nargs="*", default=[1, 5], help="a class, for the convolutions")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("waves", "convolutions"))
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(
        f"{TASKS} tasks a meta-gradient, {options.threads} threads, torch {torch.__version__}, {options.rounds} rounds"
    )
    rates = {}
    if options.only != "convolutions":
        for steps in options.steps:
            rates[f"waves {steps}"] = timed(f"Meta-SGD on waves, {steps} inner steps", waves(steps), options.rounds)
    if options.only != "waves":
        for queries in options.queries:
            title = f"MAML with four conv blocks, 1 inner step, {queries} queries a class"
            rates[f"convolutions {queries}"] = timed(title, convolutions(queries), options.rounds)
    if options.json:
        print(json.dumps(rates))


def waves(steps: int) -> dict[str, Side]:
    assembly = assemble(Configuration("meta_sgd"), current_registry())
    task = sinusoid_task(10)
    episodes = task.source.sample("train", TASKS, torch.Generator().manual_seed(0))
    theta = theta_of(InnerLoop(task, assembly))
    sides: dict[str, Side] = {}
    for name, maker in (("higher", with_higher), ("TorchOpt", with_torchopt)):
        try:
            sides[name] = maker(task, theta, episodes, steps)
        except ImportError as error:
            print(f"  {name} is left out: {error}; pip install higher torchopt")
    sides["loop in plain torch"] = lambda: plain_loop(task, theta, episodes, steps)
    for mode in ("eager", "replayed", "compiled"):
        sides[f"metaopt, {mode}"] = ours(task, assembly, theta, episodes, steps, mode)
    return sides


def convolutions(queries: int) -> dict[str, Side]:
    assembly = assemble(Configuration("maml", hparams={"maml.lr": 0.4}), current_registry())
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(5).expand(TASKS, 5).clone()
    episodes = Episodes(
        torch.rand(TASKS, 5, 1, 28, 28, generator=generator),
        labels,
        torch.rand(TASKS, 5 * queries, 1, 28, 28, generator=generator),
        torch.arange(5).repeat_interleave(queries).expand(TASKS, 5 * queries).clone(),
    )
    task = replace(sinusoid_task(10), name="conv", model=lambda: metaopt.Conv4(5), loss=F.cross_entropy)
    theta = theta_of(InnerLoop(task, assembly))
    rates = {f"rate.{name.removeprefix('start.')}": torch.tensor(0.4) for name in theta}
    return {
        "loop in plain torch": lambda: plain_loop(task, {**theta, **rates}, episodes, 1),
        "metaopt, eager": ours(task, assembly, theta, episodes, 1, "eager"),
        "metaopt, replayed": ours(task, assembly, theta, episodes, 1, "replayed"),
        "metaopt, compiled": ours(task, assembly, theta, episodes, 1, "compiled"),
    }


def ours(task, assembly, theta, episodes, steps, mode) -> Side:
    unrolls = Unrolls(InnerLoop(task, assembly), theta, mode)
    window = Window(episodes, None, 0, steps, steps)
    return lambda: unrolls.gradient(theta, window, None, None).theta


def plain_loop(task, theta, episodes, steps) -> Mapping[str, Tensor]:
    """Task by task with `torch.autograd`, create_graph, and functional calls."""
    module = task.build(0).train()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):  # a batch's own statistics, by torch's fused kernel
            layer.running_mean = layer.running_var = None
            layer.track_running_stats = False
    leaves = {name: value.clone().requires_grad_(True) for name, value in theta.items()}
    for row in range(TASKS):
        params = {name.removeprefix("start."): leaf for name, leaf in leaves.items() if name.startswith("start.")}
        for _ in range(steps):
            loss = task.loss(
                functional_call(module, params, (episodes.support_inputs[row],)), episodes.support_targets[row]
            )
            grads = torch.autograd.grad(loss, list(params.values()), create_graph=True)
            params = {
                name: param - leaves[f"rate.{name}"] * grad
                for (name, param), grad in zip(params.items(), grads, strict=True)
            }
        output = functional_call(module, params, (episodes.query_inputs[row],))
        (task.loss(output, episodes.query_targets[row]) / TASKS).backward()
    return {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}


def with_higher(task, theta, episodes, steps) -> Side:
    """`higher.innerloop_ctx` with a module whose forward steps are unrolled by hand, as its Meta-SGD examples do."""
    import higher

    module = task.build(0)
    names = [name for name, _ in module.named_parameters()]
    with torch.no_grad():
        for name, param in module.named_parameters():
            param.copy_(theta[f"start.{name}"])
    rates = {name: theta[f"rate.{name}"].clone().requires_grad_(True) for name in names}
    inner = torch.optim.SGD([{"params": [param], "lr": 0.0} for param in module.parameters()], lr=0.0)

    def run() -> Mapping[str, Tensor]:
        module.zero_grad()
        for rate in rates.values():
            rate.grad = None
        for row in range(TASKS):
            override = {"lr": [rates[name] for name in names]}
            with higher.innerloop_ctx(module, inner, copy_initial_weights=False, override=override) as (net, optimizer):
                for _ in range(steps):
                    optimizer.step(task.loss(net(episodes.support_inputs[row]), episodes.support_targets[row]))
                (task.loss(net(episodes.query_inputs[row]), episodes.query_targets[row]) / TASKS).backward()
        start = {f"start.{name}": param.grad for name, param in module.named_parameters()}
        return {**start, **{f"rate.{name}": rate.grad for name, rate in rates.items()}}

    return run


def with_torchopt(task, theta, episodes, steps) -> Side:
    """`torchopt.MetaSGD` at rate 1 over gradients that learned rates scale; module state saved and restored by it."""
    import torchopt

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = task.build(0)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.inner(inputs)

    module = Scaled()
    with torch.no_grad():
        for name, param in module.inner.named_parameters():
            param.copy_(theta[f"start.{name}"])
    rates = {name: theta[f"rate.{name}"].clone().requires_grad_(True) for name, _ in module.inner.named_parameters()}

    def scale() -> torchopt.base.GradientTransformation:
        ordered = [rates[name] for name in sorted(rates)]  # the order in which torchopt flattens modules

        def update(updates, state, *, params=None, inplace=True):
            leaves, structure = torchopt.pytree.tree_flatten(updates)
            scaled = [-rate * leaf for rate, leaf in zip(ordered, leaves, strict=True)]
            return torchopt.pytree.tree_unflatten(structure, scaled), state

        return torchopt.base.GradientTransformation(lambda params: torchopt.base.EmptyState(), update)

    start = list(module.parameters())
    initial = torchopt.extract_state_dict(module, by="reference", detach_buffers=True)

    def run() -> Mapping[str, Tensor]:
        for leaf in (*start, *rates.values()):
            leaf.grad = None
        optimizer = torchopt.MetaOptimizer(module, scale())
        fresh = torchopt.extract_state_dict(optimizer, by="reference")
        for row in range(TASKS):
            for _ in range(steps):
                optimizer.step(task.loss(module(episodes.support_inputs[row]), episodes.support_targets[row]))
            (task.loss(module(episodes.query_inputs[row]), episodes.query_targets[row]) / TASKS).backward()
            torchopt.recover_state_dict(module, initial)
            torchopt.recover_state_dict(optimizer, fresh)
        grads = {f"start.{name}": leaf.grad for name, leaf in zip(rates, start, strict=True)}
        return {**grads, **{f"rate.{name}": rate.grad for name, rate in rates.items()}}

    return run


def timed(title: str, sides: Mapping[str, Side], rounds: int) -> dict[str, float]:
    print(title)
    reference = None
    for name, side in sides.items():
        side()
        gradient = {key: tensor.detach().clone() for key, tensor in side().items()}
        reference = gradient if reference is None else reference
        common = reference.keys() & gradient.keys()
        away = max(float((gradient[key] - reference[key]).abs().max()) for key in common)
        if away > 1e-3:
            print(f"  {name}: its gradient is {away:.1e} away from that of {next(iter(sides))}")
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            repeats = 1 if not name.startswith("metaopt") else 5
            began = time.perf_counter()
            for _ in range(repeats):
                side()
            seconds[name].append((time.perf_counter() - began) / repeats)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    first = next(iter(medians.values()))
    for name, median in medians.items():
        print(
            f"  {name:24}{1000 * median:>10.2f} ms{TASKS / median:>12,.0f} tasks/s{first / median:>9.1f} ×", flush=True
        )
    return {name: TASKS / median for name, median in medians.items()}


def theta_of(learner: InnerLoop) -> dict[str, Tensor]:
    values = learner.assembly.meta_values
    return learner.meta.init_theta(copy.deepcopy(learner.parameters), torch.Generator().manual_seed(0), values)


if __name__ == "__main__":
    main()
