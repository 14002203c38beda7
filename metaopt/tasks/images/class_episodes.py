"""N-way K-shot episodes: so many classes of labelled images, so many examples of each to adapt to."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor

from metaopt.contracts import Episodes, Partition
from metaopt.errors import InputError, check_positive, quoted

#: Classes of meta-training, meta-validation and meta-testing: three fractions that sum to 1 at most, or three lists.
ClassSplit: TypeAlias = Sequence[float] | Sequence[Sequence[Any]]

PARTITIONS: tuple[Partition, Partition, Partition] = ("train", "validation", "test")
#: As in Mini-ImageNet.
FRACTIONS = (0.64, 0.16, 0.20)


@dataclass(frozen=True, eq=False)
class Classes:
    """Images by class.

    Attributes:
        images: of all classes, one after the other, shape (n, channels, height, width) or whatever models take.
        counts: images of each class.
        names: of the classes.
    """

    images: Tensor
    counts: tuple[int, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, images: Tensor, labels: Sequence[Any]) -> "Classes":
        """Labelled images, sorted by class; classes in the order of their labels."""
        if len(images) != len(labels):
            raise InputError(f"There are {len(images):,} images but {len(labels):,} labels.")
        plain = [label.item() if hasattr(label, "item") else label for label in labels]
        names = sorted(set(plain), key=lambda label: (str(type(label)), label))
        rows: dict[Any, list[int]] = {name: [] for name in names}
        for row, label in enumerate(plain):
            rows[label].append(row)
        order = torch.tensor([row for name in names for row in rows[name]])
        return cls(images[order], tuple(len(rows[name]) for name in names), tuple(map(str, names)))

    def __len__(self) -> int:
        return len(self.counts)

    def subset(self, classes: Sequence[int]) -> "Classes":
        """Some of the classes, by number."""
        begins = self.begins.tolist()
        parts = [self.images[begins[number] : begins[number] + self.counts[number]] for number in classes]
        images = torch.cat(parts) if parts else self.images[:0]
        counts = tuple(self.counts[number] for number in classes)
        return Classes(images, counts, tuple(self.names[number] for number in classes))

    @cached_property
    def begins(self) -> Tensor:
        """Where each class's images begin, shape (classes,)."""
        counts = torch.tensor(self.counts, dtype=torch.int64)
        return counts.cumsum(0) - counts


@dataclass(frozen=True, eq=False)
class ClassEpisodes:
    """Episodes of `n_way` classes: `k_shot` examples of each to adapt to, `queries` others of each to be judged on.

    Classes of different partitions never share an image or a name. Bytes become numbers between 0 and 1.

    Attributes:
        partitions: the classes of meta-training, meta-validation and meta-testing.
        n_way: classes an episode.
        k_shot: support examples of each.
        queries: query examples of each when meta-training.
        evaluated_queries: query examples of each in validations and tests.
        rotations: whether an image turned by 90, 180 or 270 degrees counts as one of another class in meta-training.
    """

    partitions: Mapping[Partition, Classes]
    n_way: int = 5
    k_shot: int = 1
    queries: int = 15
    evaluated_queries: int = 15
    rotations: bool = False

    def __post_init__(self) -> None:
        for name in ("n_way", "k_shot", "queries", "evaluated_queries"):
            check_positive(name, getattr(self, name))
        seen: dict[str, Partition] = {}
        for partition in PARTITIONS:
            classes = self.partitions[partition]
            self._check(partition, classes)
            for name in classes.names:
                if name in seen:
                    raise InputError(f"Class {name!r} is in both {seen[name]} and {partition}; a class belongs to one.")
                seen[name] = partition

    @classmethod
    def from_arrays(
        cls, images: Any, labels: Sequence[Any], split: ClassSplit = FRACTIONS, *, seed: int = 0, **settings: Any
    ) -> "ClassEpisodes":
        """Episodes from images and their labels.

        Args:
            images: tensor or array of shape (n, …).
            labels: one for each image: numbers or strings.
            split: of the classes: fractions for meta-training, -validation and -testing, or three lists of labels.
            seed: of the order in which fractions take classes.
            **settings: further attributes.

        Raises:
            InputError: a class has too few images, a partition too few classes, or lists share a class.
        """
        classes = Classes.of(torch.as_tensor(images), labels)
        return cls(divided(classes, split, seed), **settings)

    @classmethod
    def from_dataset(
        cls, dataset: Any, split: ClassSplit = FRACTIONS, *, seed: int = 0, **settings: Any
    ) -> "ClassEpisodes":
        """Episodes from any torch Dataset of (image, label) pairs, whose images are tensors or arrays of one shape."""
        images, labels = [], []
        for row in range(len(dataset) if hasattr(dataset, "__len__") else 0):  # a Dataset need not be iterable
            image, label = dataset[row]
            images.append(torch.as_tensor(image))
            labels.append(label)
        if not images:
            raise InputError(f"The dataset {type(dataset).__name__} holds no (image, label) pairs, or has no length.")
        return cls.from_arrays(torch.stack(images), labels, split, seed=seed, **settings)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of images, classes and settings."""
        digest = hashlib.sha256()
        settings = (self.n_way, self.k_shot, self.queries, self.evaluated_queries, self.rotations)
        digest.update(repr(settings).encode())
        for partition in PARTITIONS:
            classes = self.partitions[partition]
            digest.update(repr((classes.names, classes.counts, tuple(classes.images.shape))).encode())
            digest.update(classes.images.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def sample(self, partition: Partition, count: int, generator: torch.Generator) -> Episodes:
        """See `metaopt.EpisodeSource`; targets are 0 … n_way − 1 in the order of the support set."""
        return self._drawn(partition, self.n_way, count, generator)

    @property
    def trained_classes(self) -> int:
        """Classes of meta-training, rotated ones among them."""
        return self._turns("train") * len(self.partitions["train"])

    def sample_wide(self, ways: int, count: int, generator: torch.Generator) -> Episodes:
        """As `sample` for meta-training, of so many classes in place of `n_way`."""
        if not 1 < ways <= self.trained_classes:
            raise InputError(
                f"Episodes of meta-training can have 2 to {self.trained_classes:,} classes, as many as there are, got "
                f"{quoted(ways)}."
            )
        return self._drawn("train", ways, count, generator)

    def sample_labelled(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images of meta-training, every one equally likely, and their classes; see `metaopt.LabelledSource`."""
        classes = self.partitions["train"]
        rows = torch.randint(len(classes.images), (count,), generator=generator)
        turned = torch.randint(self._turns("train"), (count,), generator=generator)
        images = _turned(classes.images[rows].unsqueeze(1), turned)[:, 0]
        of = torch.searchsorted(classes.begins, rows, right=True) - 1
        return _as_numbers(images), of + turned * len(classes)

    def _turns(self, partition: Partition) -> int:
        return 4 if self.rotations and partition == "train" else 1

    def _drawn(self, partition: Partition, ways: int, count: int, generator: torch.Generator) -> Episodes:
        classes = self.partitions[partition]
        queries = self.queries if partition == "train" else self.evaluated_queries
        chosen = _distinct(count, self._turns(partition) * len(classes), ways, generator)
        of, turned = chosen % len(classes), chosen // len(classes)
        rows = self._rows(classes, of, self.k_shot + queries, generator)
        images = _turned(classes.images[rows.reshape(-1)].unflatten(0, rows.shape), turned)
        support, query = images[:, :, : self.k_shot].flatten(1, 2), images[:, :, self.k_shot :].flatten(1, 2)
        numbers = torch.arange(ways)
        targets = [numbers.repeat_interleave(each).expand(count, -1).clone() for each in (self.k_shot, queries)]
        return Episodes(_as_numbers(support), targets[0], _as_numbers(query), targets[1])

    def _rows(self, classes: Classes, of: Tensor, each: int, generator: torch.Generator) -> Tensor:
        """Different images of each chosen class, shape (episodes, n_way, each)."""
        counts = torch.tensor(classes.counts)[of]
        keys = torch.rand((*of.shape, max(classes.counts)), generator=generator, dtype=torch.float32)
        keys = keys.masked_fill(torch.arange(keys.shape[-1]) >= counts.unsqueeze(-1), -1.0)
        return classes.begins[of].unsqueeze(-1) + keys.topk(each, dim=-1).indices

    def _check(self, partition: Partition, classes: Classes) -> None:
        if len(classes) < self.n_way:
            raise InputError(
                f"The {partition} partition has {len(classes)} classes, too few for {self.n_way}-way episodes; "
                "give it more, or lower n_way."
            )
        needed = self.k_shot + (self.queries if partition == "train" else self.evaluated_queries)
        least = min(range(len(classes)), key=lambda number: classes.counts[number])
        if classes.counts[least] < needed:
            raise InputError(
                f"Class {classes.names[least]!r} ({partition}) has {classes.counts[least]} images; an episode needs "
                f"{needed}: {self.k_shot} to adapt to and {needed - self.k_shot} queries; lower k_shot or queries, or "
                "leave the class out."
            )


def divided(classes: Classes, split: ClassSplit, seed: int) -> dict[Partition, Classes]:
    """The classes of each partition.

    Raises:
        InputError: the split is not three fractions or three lists of known classes.
    """
    if len(split) != 3:
        raise InputError(f"A split has three parts (train, validation, test), got {len(split)}.")
    if all(isinstance(part, int | float) for part in split):
        chosen = _by_fractions(len(classes), [float(part) for part in split], seed)  # type: ignore[arg-type]
    else:
        chosen = [[_number(classes, name) for name in part] for part in split]  # type: ignore[union-attr]
    return {name: classes.subset(part) for name, part in zip(PARTITIONS, chosen, strict=True)}


def _by_fractions(count: int, fractions: Sequence[float], seed: int) -> list[list[int]]:
    if min(fractions) < 0 or sum(fractions) > 1 + 1e-9:
        raise InputError(f"The fractions of a split are positive and sum to 1 at most, got {list(fractions)}.")
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    ends = [round(count * sum(fractions[: part + 1])) for part in range(3)]
    return [order[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def _number(classes: Classes, name: Any) -> int:
    if str(name) not in classes.names:
        raise InputError(f"The split names the class {name!r}, which no image has.")
    return classes.names.index(str(name))


def _distinct(count: int, among: int, each: int, generator: torch.Generator) -> Tensor:
    """Different numbers below `among`, shape (count, each), every set equally likely."""
    return torch.rand((count, among), generator=generator, dtype=torch.float32).topk(each, dim=1).indices


def _turned(images: Tensor, turns: Tensor) -> Tensor:
    """Images of shape (episodes, n_way, each, …, height, width), those of each class turned by its quarter turns."""
    if not bool(turns.any()):
        return images
    turned = images.clone()
    for quarter in (1, 2, 3):
        chosen = turns == quarter
        turned[chosen] = torch.rot90(images[chosen], quarter, dims=(-2, -1))
    return turned


def _as_numbers(images: Tensor) -> Tensor:
    return images.float() / 255 if images.dtype == torch.uint8 else images
