"""Every optimizer saved, loaded and trained on, beside the same training unbroken, for models of unusual parameters.

    OMP_NUM_THREADS=1 python -m benchmarks.robustness.resumes [--only A,B] [--situations plain,odd] [--steps 3]

Each optimizer plugin, each class of `torch.optim` as an optimizer without a rule (`torch_rprop`), and each wrapper
around `adamw` and `nadamw` trains a small network for a few steps, is evaluated, goes through `torch.save` and
`torch.load(weights_only=True)` into a fresh run, and trains on; the fresh run has to end where the unbroken one does,
bit for bit. A second fresh run loads `run.state_dict()` as it is, and what it steps must leave the first run alone.
What is drawn at random in a step is the same in all of them.

| situation | parameters |
|---|---|
| plain | four linear layers |
| frozen | the first layer requires no gradients |
| unused | one more layer, which no output comes from |
| used later | the same, and after the break the output does come from it |
| tied | two layers share their weight |
| unfrozen later | the first layer is frozen for two steps, and then joins as a group of its own |
| odd | one is 0-d and one has no numbers |
| float64 | all are float64 |

| outcome | meaning |
|---|---|
| equal | as above, and `evaluating` and `finish` work |
| refused | a MetaOptError of one sentence, wherever it came |
| wrong | it ends elsewhere, or a run shares memory with what it loaded, or wrote into it |
| raw | another exception |

The exit code is 0 where nothing is wrong or raw.
"""

import argparse
import copy
import io
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

import metaopt
from metaopt import Configuration, MetaOptError, Recipe
from metaopt.deploy import Run
from metaopt.plugin import Registry
from metaopt.seeding import GlobalStream, seeded

SITUATIONS = ("plain", "frozen", "unused", "used later", "tied", "unfrozen later", "odd", "float64")
OUTCOMES = ("equal", "refused", "wrong", "raw")
#: Planned steps, of which few are taken.
HORIZON = 40
#: The step before which the frozen layer joins.
JOINS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names, with commas (default all)")
    parser.add_argument("--situations", default=",".join(SITUATIONS), help="with commas (default all)")
    parser.add_argument("--steps", type=int, default=3, help="before the break, and after it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    registry, began = all_optimizers(), time.perf_counter()
    names = options.only.split(",") if options.only else names_of(registry)
    situations = options.situations.split(",")
    counts = {situation: Counter[str]() for situation in situations}
    said: dict[str, list[str]] = {}
    for name in names:
        for situation in situations:
            outcome, why = outcome_of(name, situation, registry, options.steps)
            counts[situation][outcome] += 1
            if outcome != "equal":
                said.setdefault(f"{outcome}: {why}", []).append(f"{name} ({situation})")
    print(f"{len(names)} optimizers, {options.steps} steps before and after, {time.perf_counter() - began:.0f} s\n")
    print(f"{'situation':16}" + "".join(f"{outcome:>9}" for outcome in OUTCOMES))
    for situation, counted in counts.items():
        print(f"{situation:16}" + "".join(f"{counted[outcome]:9}" for outcome in OUTCOMES))
    total = sum(counts.values(), Counter[str]())
    print(f"{'all':16}" + "".join(f"{total[outcome]:9}" for outcome in OUTCOMES) + "\n")
    for sentence, cases in sorted(said.items()):
        print(f"{sentence}\n    {', '.join(cases)}")
    sys.exit(bool(total["wrong"] + total["raw"]))


def all_optimizers() -> Registry:
    """The installed plugins, and each class of `torch.optim` as an optimizer without a rule."""
    registry = Registry.discover()
    for name, value in sorted(vars(torch.optim).items()):
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer:
            takes: Any = {"takes": "matrices"} if name == "Muon" else {}
            registry.register(metaopt.optimizer_spec(value, name=f"torch_{name.lower()}", **takes))
    return registry


def names_of(registry: Registry) -> list[str]:
    """Optimizers, and `OPTIMIZER/WRAPPER`."""
    wrappers = registry.names(metaopt.WrapperSpec)
    around = [f"{name}/{wrapper}" for wrapper in wrappers for name in ("adamw", "nadamw")]
    return [*registry.names(metaopt.OptimizerSpec), *around]


def outcome_of(name: str, situation: str, registry: Registry, steps: int = 3) -> tuple[str, str]:
    """One of `OUTCOMES`, and why."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a class needs of a loop, and the library's own remarks
            why = difference(lambda: Training(name, situation, registry), steps)
    except MetaOptError as error:
        sentence = str(error)
        return ("refused" if "\n" not in sentence and len(sentence) < 500 else "raw"), sentence
    except Exception as error:  # a stranger's class
        return "raw", f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
    return ("wrong", why) if why else ("equal", "")


def difference(make: Callable[[], "Training"], steps: int) -> str:
    """What is wrong, or nothing."""
    first = make()
    first.train(0, steps)
    at_break = first.values()
    with first.run.evaluating():
        value = first.loss(steps).detach()
    if not same(first.values(), at_break):
        return "evaluating leaves other weights"
    first.run.observe(value)
    live, weights = first.run.state_dict(), first.values()
    file = io.BytesIO()
    torch.save(live, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    kept = copy.deepcopy(loaded)
    resumed, beside = make(), make()
    for other, state in ((resumed, loaded), (beside, live)):
        other.join(steps)
        other.take(weights)
        other.run.load_state_dict(state)
        if storages(other.run.state_dict()) & storages(state):
            return "what is loaded shares memory with what was saved"
        other.train(steps, 2 * steps)
    if not same(loaded, kept):
        return "what was loaded is changed"
    if not same(first.run.state_dict()["optimizer"], kept["optimizer"]):
        return "the run whose state was loaded is changed"
    first.train(steps, 2 * steps)
    for other, what in ((resumed, "from a file"), (beside, "from state_dict()")):
        if not same(first.values(), other.values()):
            return f"resumed {what} it is off by {distance(first.values(), other.values())}"
    first.run.finish()
    return ""


class Network(nn.Module):
    """Four linear layers, and what a situation adds."""

    def __init__(self, situation: str, *, biased: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(*sizes, bias=biased) for sizes in ((4, 6), (6, 6), (6, 6), (6, 1)))
        self.spare = nn.Linear(6, 6, bias=biased) if situation in ("unused", "used later") else None
        self.uses_spare = False
        if situation in ("frozen", "unfrozen later"):
            self.layers[0].requires_grad_(False)
        if situation == "tied":
            self.layers[2].weight = self.layers[1].weight
        self.odd = nn.ParameterList([torch.ones(()), torch.empty(0)]) if situation == "odd" else None

    def forward(self, inputs: Tensor) -> Tensor:
        first, second, third, last = self.layers
        hidden = second(torch.tanh(first(inputs)))
        if self.uses_spare:
            hidden = hidden + self.spare(torch.tanh(hidden))
        output = last(torch.tanh(third(torch.tanh(hidden))))
        return output if self.odd is None else output * self.odd[0] + self.odd[1].sum()


class Training:
    """One run on one network."""

    def __init__(self, name: str, situation: str, registry: Registry) -> None:
        optimizer, _, wrapper = name.partition("/")
        spec = registry.get(metaopt.OptimizerSpec, optimizer)
        self.situation, self.native = situation, spec.native if spec.rule is None else None
        with seeded(0):
            self.model = Network(situation, biased=spec.takes == "all")
        if situation == "float64":
            self.model.double()
        configuration = Configuration(
            optimizer, "cosine" if spec.has_lr else "constant", wrappers=(wrapper,) * bool(wrapper)
        )
        with GlobalStream(0).numbers():
            recipe = Recipe.create(configuration, registry=registry)
            self.run: Run = recipe.bind(self.model, total_steps=HORIZON, registry=registry)

    def train(self, begin: int, end: int) -> None:
        for step in range(begin, end):
            self.join(step, at=JOINS)
            self.model.uses_spare = self.situation == "used later" and begin > 0
            with GlobalStream(step).numbers():
                self._step(step)

    def join(self, step: int, at: int | None = None) -> None:
        """Unfreeze the frozen layer before step `at`; or where that was before `step`."""
        if self.situation == "unfrozen later" and (step == at if at is not None else step > JOINS):
            frozen = self.model.layers[0].requires_grad_()
            self.run.optimizer.add_param_group({"params": list(frozen.parameters())})

    def loss(self, step: int) -> Tensor:
        with seeded(step):
            inputs = torch.randn(8, 4, dtype=self.model.layers[0].weight.dtype)
        return (self.model(inputs) - inputs.square().sum(1, keepdim=True)).square().mean()

    def values(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def take(self, weights: Mapping[str, Tensor]) -> None:
        self.model.load_state_dict(weights)

    def _step(self, step: int) -> None:
        graph = self.native is not None and self.native.needs_graph

        def closure() -> Tensor:
            self.run.optimizer.zero_grad()
            with torch.enable_grad():
                loss = self.loss(step)
                loss.backward(create_graph=graph)
            return loss.detach()

        if self.native is not None and self.native.takes_closure:
            closure()  # some classes look at gradients before they call it
            self.run.optimizer.step(closure)
            self.run.scheduler.step()
        else:
            self.run.step(closure())


def same(first: Any, second: Any) -> bool:
    """Whether nested containers hold the same, bit for bit, in the same dtypes; NaN equals NaN."""
    if isinstance(first, Tensor):
        alike = isinstance(second, Tensor) and first.dtype == second.dtype and first.shape == second.shape
        return alike and torch.allclose(first, second, rtol=0.0, atol=0.0, equal_nan=True)
    if isinstance(first, Mapping):
        return first.keys() == second.keys() and all(same(value, second[key]) for key, value in first.items())
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return type(first) is not type(second) or first == second or first != first


def storages(value: Any) -> set[int]:
    """Where the numbers of the tensors in nested containers lie."""
    if isinstance(value, Tensor):
        return {value.untyped_storage().data_ptr()} if value.numel() else set()
    if isinstance(value, Mapping):
        return set().union(*(storages(item) for item in value.values()))
    return set().union(*(storages(item) for item in value)) if isinstance(value, list | tuple) else set()


def distance(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> str:
    gaps = [float((first[name] - second[name]).abs().max()) for name in first if first[name].numel()]
    return f"{max(gaps):.0e}"


if __name__ == "__main__":
    main()
