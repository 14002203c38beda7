"""Trained on Omniglot's characters, tested on handwritten digits: learners and rules beside fine-tuning.

Each method is meta-trained on episodes of Omniglot (28×28, four blocks), and then given episodes of digits: k
images of each of five of the ten digits, and queries. The digits are MNIST's test set where `--digits` names its folder
(`t10k-images-idx3-ubyte.gz`, `t10k-labels-idx1-ubyte.gz`), else scikit-learn's 8×8 ones, enlarged. Nothing of them is
trained on but the support set. `finetune` is the plain baseline: features trained on all characters at once, then the
whole model trained on the support set; `from scratch` the same without Omniglot. Accuracies have 95 % intervals over
episodes, which are the same for all; differences to `finetune` are paired by episode.
"""

import argparse
import gzip
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import metaopt
from metaopt.configuration import Configuration
from metaopt.meta import few_shot_metrics
from metaopt.plugin import current_registry
from metaopt_corpora.omniglot import omniglot_task

#: Hyperparameters beside defaults.
HPARAMS: dict[str, dict[str, metaopt.Value]] = {"protonet": {"ways": 20}, "maml": {"lr": 0.4}}
BASELINE, SCRATCH = "finetune", "from scratch"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/omniglot")
    parser.add_argument("--digits", type=Path, help="folder of MNIST's test set; scikit-learn's digits if left out")
    parser.add_argument("--methods", nargs="*", default=["protonet", "matching_net", "maml"])
    parser.add_argument("--shots", type=int, nargs="*", default=[1, 5])
    parser.add_argument("--iterations", type=int, default=600)
    parser.add_argument("--tested", type=int, default=100, help="test episodes")
    parser.add_argument("--width", type=int, default=32, help="of the convolutions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images, labels = mnist(options.digits) if options.digits else enlarged_digits()
    print(
        f"5 ways, {options.iterations:,} iterations on Omniglot, {options.tested} episodes of digits "
        f"({'MNIST test' if options.digits else 'scikit-learn'}), seed {options.seed}"
    )
    print(f"{'shots':>5}  {'method':14}{'Omniglot':>10}{'digits':>16}{'ahead of finetune':>22}{'minutes':>9}")
    for shots in options.shots:
        rows = {}
        for method in (BASELINE, SCRATCH, *options.methods):
            rows[method] = measured(method, shots, images, labels, options)
            known, accuracies, minutes = rows[method]
            ahead = accuracies - rows[BASELINE][1]
            own = "–" if known is None else f"{known:.1f}"
            apart = "" if method == BASELINE else f"{float(ahead.mean()):+.1f} ±{half(ahead):.1f}"
            shown = f"{float(accuracies.mean()):.1f} ±{half(accuracies):.1f}"
            print(f"{shots:>5}  {method:14}{own:>10}{shown:>16}{apart:>22}{minutes:>9.1f}", flush=True)


def measured(
    method: str, shots: int, images: Tensor, labels: list[int], options: argparse.Namespace
) -> tuple[float | None, Tensor, float]:
    """Accuracy on Omniglot's test characters, that of each episode of digits, and minutes of meta-training."""
    model = partial(metaopt.Conv4, 5, width=options.width)
    characters = replace(
        omniglot_task(options.data, 5, shots),
        model=model,
        num_iterations=options.iterations,
        episodes_per_iteration=4 if method == "maml" else 1,
        num_validations=1,
        num_evaluated=10 if method == BASELINE else 60,
    )
    # Learners need no head; a rule is tested with as many steps as it was trained for.
    digits = replace(characters, name="digits", family="digits", episodes=digit_episodes(images, labels, shots))
    registry = current_registry()
    if method == SCRATCH:
        recipe = metaopt.Recipe.create(Configuration(learner=BASELINE))
        return None, 100 * few_shot_metrics(recipe, digits, registry, count=options.tested, seed=options.seed), 0.0
    result = metaopt.meta_train(method, characters, HPARAMS.get(method, {}), seed=options.seed)
    known = 100 * float(few_shot_metrics(result.recipe, characters, registry, count=options.tested).mean())
    return known, 100 * few_shot_metrics(result.recipe, digits, registry, count=options.tested), result.seconds / 60


def digit_episodes(images: Tensor, labels: list[int], shots: int) -> metaopt.ClassEpisodes:
    """Episodes whose test partition is all ten digits; nothing is trained on the others."""
    tested = metaopt.Classes.of(images, labels)
    nothing = {
        part: metaopt.Classes(torch.zeros(100, 1, 28, 28), (20,) * 5, tuple(f"{part} {row}" for row in range(5)))
        for part in ("train", "validation")
    }
    return metaopt.ClassEpisodes({**nothing, "test": tested}, 5, shots, 5, evaluated_queries=5)


def mnist(folder: Path) -> tuple[Tensor, list[int]]:
    """Images of MNIST's test set, bytes of shape (n, 1, 28, 28), and their digits."""
    images, labels = (
        np.frombuffer(gzip.decompress((folder / f"t10k-{name}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
        for name, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    return torch.from_numpy(images.copy()).reshape(-1, 1, 28, 28), labels.tolist()


def enlarged_digits() -> tuple[Tensor, list[int]]:
    """scikit-learn's 8×8 digits as 28×28 bytes."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    small = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    large = F.pad(F.interpolate(small, (20, 20), mode="bilinear"), (4, 4, 4, 4))
    return (255 * large).round().to(torch.uint8), labels.tolist()


def half(values: Tensor) -> float:
    """Half of the 95 % interval of a mean."""
    return 1.96 * float(values.std()) / len(values) ** 0.5


if __name__ == "__main__":
    main()
