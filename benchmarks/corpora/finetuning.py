"""Fine-tunings of small models that were trained on other data: in full, of the last layers alone, and of low rank.

    python -m benchmarks.corpora.finetuning --pretrain           # makes the weights, minutes on one core
    python -m benchmarks.corpora.finetuning [--members 20]       # what the corpora hold, ms a step
    metaopt tune benchmarks.corpora.finetuning:corpus --out out/finetuned

`corpus` is to tune on. `held_out` is to judge by: other models, or the same on other data, in other families. A family
is a kind of data and a form. Classifiers get a new head, which a seed draws; texts keep theirs, as they keep their
characters. Weights lie in `out/finetuning` and are no part of the repository: a task's fingerprint counts their values,
so two machines whose processors round differently have different corpora. Data, their licences and what is reserved for
judging elsewhere are those of `benchmarks.corpora.judging_rows` and `benchmarks.corpora.development_corpus`.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from benchmarks.corpora.description import describe
from benchmarks.corpora.development_corpus import DATA, omniglot_splits
from benchmarks.corpora.low_rank import adapted
from benchmarks.corpora.pretrained_models import (
    PRETRAININGS,
    WEIGHTS,
    classes,
    digits_half,
    pretrain,
    text_half,
)

FORMS = ("full", "last", "low_rank")


@dataclass(frozen=True)
class Target:
    """What a pretrained model is fine-tuned to.

    Attributes:
        name: of the tasks, followed by the form.
        kind: of data; the tasks' family, followed by the form.
        pretrained: the model's name.
        num_outputs: of the new head; None where the model keeps its own.
        data: the splits, from the folder of the data.
        batch_size: examples a step.
        num_steps: of a fine-tuning.
    """

    name: str
    kind: str
    pretrained: str
    num_outputs: int | None
    data: Callable[[Path], metaopt.Splits]
    batch_size: int
    num_steps: int


def alphabet(folder: Path, name: str, count: int) -> metaopt.Splits:
    """Which character of one alphabet it is."""
    return omniglot_splits(folder / "omniglot", name, count, as_images=True)


TARGETS = (
    Target(
        "wikitext",
        "text",
        "shakespeare_transformer",
        None,
        partial(text_half, name="wikitext", half=0, known="shakespeare"),
        12,
        200,
    ),
    Target(
        "hiragana",
        "images",
        "alphabets_convolutions",
        40,
        partial(alphabet, name="Japanese_(hiragana)", count=40),
        24,
        200,
    ),
    Target("digits", "images", "alphabets_vit", 10, partial(digits_half, half=1, count=1_200), 16, 150),
    Target("letters", "tables", "letters_mlp", 13, partial(classes, name="letter", begin=13, end=26), 32, 200),
    Target("pendigits", "tables", "pendigits_mlp", 5, partial(classes, name="pendigits", begin=5, end=10), 16, 150),
)

HELD_OUT = (
    Target(
        "shakespeare",
        "other_text",
        "wikitext_transformer",
        None,
        partial(text_half, name="shakespeare", half=1, known="wikitext"),
        16,
        200,
    ),
    Target(
        "gujarati",
        "other_images",
        "alphabets_residual",
        40,
        partial(alphabet, name="Gujarati", count=40),
        24,
        200,
    ),
    Target(
        "armenian",
        "other_images",
        "digits_vit",
        41,
        partial(alphabet, name="Armenian", count=41),
        16,
        200,
    ),
    Target(
        "optdigits", "other_tables", "optdigits_mlp", 5, partial(classes, name="optdigits", begin=5, end=10), 16, 150
    ),
)


def corpus() -> metaopt.Corpus:
    """The tasks to tune on, over the data beside the checkout."""
    return finetunings(TARGETS, "finetuning")


def held_out() -> metaopt.Corpus:
    """The tasks to judge by, over the data beside the checkout."""
    return finetunings(HELD_OUT, "held_out_finetuning")


def finetunings(
    targets: Sequence[Target], name: str, data: Path = DATA, weights: Path = WEIGHTS, forms: Sequence[str] = FORMS
) -> metaopt.Corpus:
    """The tasks of some targets in some forms; data and weights are read when first needed."""
    return metaopt.Corpus(name, tuple(_task(target, form, data, weights) for target in targets for form in forms))


def _task(target: Target, form: str, data: Path, weights: Path) -> metaopt.Task:
    return metaopt.Task(
        name=f"{target.name}_{form}",
        family=f"{target.kind}_{form}",
        model=partial(started, target.pretrained, form, target.num_outputs, weights),
        data=partial(target.data, data),
        loss=F.cross_entropy,
        batch_size=target.batch_size,
        num_steps=target.num_steps,
        num_validations=10,
    )


def started(pretrained: str, form: str, num_outputs: int | None, weights: Path) -> nn.Module:
    """A model with pretrained weights, ready to be fine-tuned.

    Args:
        pretrained: the model's name.
        form: `"full"`, everything trains; `"last"`, the last layers and the head; `"low_rank"`, products beside the
            frozen layers, and a new head.
        num_outputs: of the new head; None to keep the head.
        weights: folder of the weights.

    Raises:
        InputError: the weights were not made yet.
    """
    pretraining, file = PRETRAININGS[pretrained], weights / f"{pretrained}.pt"
    if not file.exists():
        raise metaopt.InputError(
            f"The weights {file.name!r} were not made yet; run `python -m benchmarks.corpora.finetuning --pretrain`."
        )
    model = pretraining.model(num_outputs or pretraining.num_outputs)
    saved = torch.load(file, weights_only=True)
    if num_outputs is not None:
        saved = {name: value for name, value in saved.items() if not name.startswith(f"{pretraining.head}.")}
    model.load_state_dict(saved, strict=False)
    if form == "low_rank":
        return adapted(model, None if num_outputs is None else pretraining.head)
    if form == "last":
        for name, param in model.named_parameters():
            param.requires_grad_(name.startswith(pretraining.last))
    return model


def main(arguments: Sequence[str] | None = None, show: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of the weights")
    parser.add_argument("--pretrain", action="store_true", help="make the weights that are not there yet")
    parser.add_argument("--members", type=int, default=20, help="size of the population that is timed")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.pretrain:
        make(options.data, options.weights, show)
        return
    for targets, name in ((TARGETS, "finetuning"), (HELD_OUT, "held_out_finetuning")):
        tasks = finetunings(targets, name, options.data, options.weights)
        for line in describe([task for task in tasks if isinstance(task, metaopt.Task)], options.members):
            show(line)
        show(f"{name}: {len(tasks)} tasks; fingerprint {tasks.fingerprint}")


def make(data: Path, weights: Path, show: Callable[[str], None]) -> None:
    """Train before what is not in the folder of weights."""
    for name, pretraining in PRETRAININGS.items():
        if (weights / f"{name}.pt").exists():
            show(f"{name}: is there")
            continue
        began = time.perf_counter()
        before, after = pretrain(name, data, weights)
        size = sum(param.numel() for param in pretraining.model(pretraining.num_outputs).parameters())
        seconds = time.perf_counter() - began
        show(f"{name}: {size:,} parameters, validation loss {before:.3f} -> {after:.3f}, {seconds:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except metaopt.MetaOptError as error:
        raise SystemExit(str(error)) from None
