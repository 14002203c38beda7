"""The cases of a run over all hosts: recipes, places and the rest, each pair of values at least once."""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

#: Who steps, and on how many processes: one; two under DDP; two under FSDP2 with shards of even or of uneven sizes.
PLACES = (
    *("plain/one", "scaler/one", "trainer/one", "accelerate/one", "lightning/one", "lightning_manual/one"),
    *(
        "skorch/one",
        "plain/ddp",
        "scaler/ddp",
        "trainer/ddp",
        "accelerate/ddp",
        "lightning/ddp",
        "lightning_manual/ddp",
    ),
    *("plain/even", "plain/uneven"),
)


@dataclass(frozen=True)
class Case:
    """One training.

    Attributes:
        recipe: a name of `benchmarks.hosts.recipes`.
        place: one of `PLACES`.
        implementation: as for `bind`.
        accumulation: micro-batches a step.
        dtype: of the model.
        spike: whether a batch, under ranks that of one alone, has a loss far above the others.
        resumed: whether it is broken off half-way and continued by another run.
    """

    recipe: str
    place: str
    implementation: str
    accumulation: int
    dtype: str
    spike: bool
    resumed: bool

    @property
    def host(self) -> str:
        """Who steps."""
        return self.place.split("/")[0]

    @property
    def ranks(self) -> str:
        """`"one"`, `"ddp"`, `"even"` or `"uneven"`."""
        return self.place.split("/")[1]

    @property
    def is_possible(self) -> bool:
        """Whether the host does this at all, with any optimizer."""
        if self.host == "skorch" and (self.accumulation > 1 or self.resumed):
            return False
        return self.host != "lightning_manual" or self.accumulation == 1

    def __str__(self) -> str:
        marks = [f"{self.accumulation} micro-batches" * (self.accumulation > 1), "spike" * self.spike]
        marks.append("resumed" * self.resumed)
        parts = [self.recipe, self.place, self.implementation, self.dtype, *filter(None, marks)]
        return ", ".join(parts)


def pairwise(axes: Mapping[str, Sequence[Any]], is_possible: Callable[[Case], bool], seed: int = 0) -> list[Case]:
    """Cases in which each possible pair of values of two axes occurs at least once.

    Greedy: each case begins with a pair that has not occurred yet, and of a few random completions the one with the
    most new pairs is kept.

    Args:
        axes: values by field of `Case`.
        is_possible: says which cases there are.
        seed: of the order and of the completions.
    """
    generator = random.Random(seed)
    names = [field.name for field in fields(Case)]
    missing = {pair for first, second in itertools.combinations(names, 2) for pair in _pairs(axes, first, second)}
    order = sorted(missing, key=lambda pair: sorted(map(repr, pair)))  # sets of words have no order of their own
    generator.shuffle(order)
    cases: list[Case] = []
    for pair in order:
        if pair not in missing:
            continue
        completions = [case for case in _completions(axes, dict(pair), generator, 60) if is_possible(case)]
        if completions:
            best = max(completions, key=lambda case: len(missing & _pairs_of(case)))
            missing -= _pairs_of(best)
            cases.append(best)
    return cases


def _pairs(axes: Mapping[str, Sequence[Any]], first: str, second: str) -> Iterator[frozenset[tuple[str, Any]]]:
    for one, other in itertools.product(axes[first], axes[second]):
        yield frozenset({(first, one), (second, other)})


def _pairs_of(case: Case) -> set[frozenset[tuple[str, Any]]]:
    entries = [(field.name, getattr(case, field.name)) for field in fields(Case)]
    return {frozenset(pair) for pair in itertools.combinations(entries, 2)}


def _completions(
    axes: Mapping[str, Sequence[Any]], known: Mapping[str, Any], generator: random.Random, count: int
) -> Iterator[Case]:
    for _ in range(count):
        yield Case(**{name: known.get(name, generator.choice(list(values))) for name, values in axes.items()})
