"""A tuned recipe dropped into training loops that tuning never saw, beside what others would have used.

    python -m benchmarks.recipes.drop_in [--recipe out/starter/recipe …] [--task transformer|resnet] [--seeds 3]
        [--json]

Several recipes may be given; each is one more contender.
`transformer`: a character-level GPT on Tiny Shakespeare (--data FILE). `resnet`: a small ResNet with BatchNorm on the
10,000 MNIST test digits (--data FOLDER with the two gzipped IDX files). All contenders have the same weights,
batches, budget and validations for a seed; a checkpoint is chosen on validation data and judged on test data.
Contenders take turns, so that whatever else the machine does falls on all of them.
"""

import argparse
import json
import statistics
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from benchmarks.recipes.drop_in_models import JOBS, Batch, Workload, renew_statistics
from benchmarks.recipes.peers import PEERS

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
DATA = {"transformer": SHARED / "tinyshakespeare" / "input.txt", "resnet": SHARED / "mnist_t10k"}


@dataclass(frozen=True)
class TrainingOutcome:
    """The outcome of one training.

    Attributes:
        contender: name of the recipe or peer that trained.
        seed: seed of weights and batches.
        validation: best validation loss.
        test: test loss at the best validation loss.
        steps: number of steps taken.
        milliseconds: median time of a step, forward and backward pass included.
    """

    contender: str
    seed: int
    validation: float
    test: float
    steps: int
    milliseconds: float


# Training


def train(job: Workload, recipe: metaopt.Recipe, contender: str, seed: int, num_validations: int) -> TrainingOutcome:
    """Train in an ordinary loop."""
    torch.manual_seed(seed)
    model = job.model()
    batches = job.batches(torch.Generator().manual_seed(seed))
    run = recipe.bind(model, total_steps=job.num_steps, batch_size=job.batch_size)
    every = max(1, job.num_steps // num_validations)
    taken = []
    for step in range(1, job.num_steps + 1):
        inputs, targets = next(batches)
        start = time.perf_counter()
        run.optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        run.step(loss)
        taken.append(time.perf_counter() - start)
        if step % every == 0 or step == job.num_steps:
            with run.evaluating():
                renew_statistics(model, (inputs for inputs, _ in job.batches(torch.Generator().manual_seed(0))))
                value = loss_on(model, job.validation)
            if run.observe(value).stop:
                break
    if run.best_value is None:
        return TrainingOutcome(contender, seed, float("inf"), float("inf"), step, 1e3 * statistics.median(taken))
    run.restore_best()
    model.eval()
    best = run.best_value
    return TrainingOutcome(contender, seed, best, loss_on(model, job.test), step, 1e3 * statistics.median(taken))


@torch.no_grad()
def loss_on(model: nn.Module, batches: list[Batch]) -> float:
    return statistics.mean(F.cross_entropy(model(inputs), targets).item() for inputs, targets in batches)


def label(folder: str) -> str:
    """A name that tells recipes apart: the folder of the study, or the recipe's own folder."""
    path = Path(folder).resolve()
    return f"recipe ({path.parent.name if path.name == 'recipe' else path.name})"


def contenders(recipes: dict[str, metaopt.Recipe]) -> dict[str, metaopt.Recipe]:
    return {**recipes, **{name: metaopt.Recipe.create(configuration) for name, configuration in PEERS.items()}}


def table(outcomes: list[TrainingOutcome]) -> list[str]:
    names = list(dict.fromkeys(outcome.contender for outcome in outcomes))
    seeds = sorted({outcome.seed for outcome in outcomes})
    width = max(map(len, names)) + 1
    header = f"{'':{width}}{'median':>8} " + "".join(f"{f'seed {seed}':>9}" for seed in seeds)
    lines = [header + f"{'validation':>12}{'steps':>7}{'ms a step':>11}"]
    for name in names:
        mine = sorted((outcome for outcome in outcomes if outcome.contender == name), key=lambda outcome: outcome.seed)
        median = {
            field: statistics.median(getattr(outcome, field) for outcome in mine)
            for field in ("test", "validation", "steps", "milliseconds")
        }
        lines.append(
            f"{name:{width}}{median['test']:8.4f} "
            + "".join(f"{outcome.test:9.4f}" for outcome in mine)
            + f"{median['validation']:12.4f}{median['steps']:7.0f}{median['milliseconds']:11.1f}"
        )
    return lines


def verdict(outcomes: list[TrainingOutcome], recipe: str) -> str:
    """How many seeds a recipe wins against each peer; nothing is claimed that the seeds do not show."""
    test = {(outcome.contender, outcome.seed): outcome.test for outcome in outcomes}
    seeds = sorted({outcome.seed for outcome in outcomes})
    wins = {name: sum(test[recipe, seed] < test[name, seed] for seed in seeds) for name in PEERS}
    parts = "; ".join(f"{name} on {count}" for name, count in wins.items())
    return f"Of {len(seeds)} seeds, the {recipe} has the lower test loss than {parts}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=sorted(JOBS), default="transformer")
    starter = str(ROOT / "out" / "starter" / "recipe")
    parser.add_argument("--recipe", nargs="+", default=[starter], help="folders; by default what `make tune` leaves")
    parser.add_argument("--data", type=Path, help="file or folder of the data")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="training steps (transformer 500, resnet 300)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = options.data or DATA[options.task]
    if not data.exists():
        sys.exit(f"There is no data for {options.task} at {data}; name it with --data.")
    try:
        recipes = {label(folder): metaopt.load_recipe(folder) for folder in options.recipe}
    except metaopt.MetaOptError as error:
        sys.exit(f"{error} `make tune` makes one in out/starter/recipe; or name another with --recipe.")

    job = JOBS[options.task](data, options.steps)
    numbers = sum(param.numel() for param in job.model().parameters())
    print(f"{job.what}; {numbers:,} parameters, {job.num_steps} steps of {job.batch_size}, {options.threads} threads")
    for name, recipe in recipes.items():
        print(f"{name}: {recipe.name}; it has never seen this model")
    cadence = next(iter(recipes.values())).num_validations or 15
    outcomes = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("once", UserWarning)
        for seed in range(options.seeds):
            for name, recipe in contenders(recipes).items():
                outcomes.append(train(job, recipe, name, seed, cadence))
    for message in dict.fromkeys(str(warning.message) for warning in caught if warning.category is UserWarning):
        print(f"warning: {message}")
    print("test loss at the best validation\n" + "\n".join(table(outcomes)))
    print("\n".join(verdict(outcomes, name) for name in recipes))
    if options.json:
        report = {
            "task": options.task,
            "recipes": {name: recipe.to_json()["configuration"] for name, recipe in recipes.items()},
            "parameters": numbers,
            "steps": job.num_steps,
            "batch_size": job.batch_size,
            "threads": options.threads,
            "outcomes": [asdict(outcome) for outcome in outcomes],
        }
        print(json.dumps(report))


if __name__ == "__main__":
    main()
