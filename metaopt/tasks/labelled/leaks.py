"""What makes scores of images and texts flatter, or keeps them low: repeated examples, and what says the class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.errors import listed, quoted
from metaopt.tasks.labelled.rows import LabelledRows
from metaopt.tasks.texts.tokens import Vocabulary

#: Examples of a class, and of all others, from which what says the class is no accident.
_LEAST = 15
#: Classes that a sentence names.
_MOST_NAMED = 3
#: Examples whose tokens are counted together.
_PIECE = 1024

_OF_FORMS = "size and colours alone tell {} from all others. If new images are not like that, make all of one form."
_OF_PIXELS = "a single pixel tells {} from all others. If it is of a mark or a frame, cut that off."
_OF_TOKENS = "a single token tells {} from all others. If it is not known of new texts, remove it."


def labelled_leaks(
    rows: LabelledRows,
    names: Sequence[str],
    what: str,
    vocabulary: Vocabulary | None = None,
    originals: Sequence[str] = (),
) -> list[str]:
    """Sentences, without the name of the folder or file.

    Args:
        rows: the examples and their division.
        names: of the classes.
        what: the examples are called.
        vocabulary: of texts; None for images.
        originals: what each image was before it was stretched, such as `"480×640, grey"`; shape (n,).
    """
    keys = _keys(rows.inputs)
    found = [*_repeated(keys, rows, what), *_contradicting(keys, rows.classes, what)]
    if vocabulary is None:
        found += _told(_OF_FORMS, _telling_forms(originals, rows.classes), names, rows.classes)
        found += _told(_OF_PIXELS, _telling_pixels(rows), names, rows.classes)
    else:
        found += _told(_OF_TOKENS, _telling_tokens(rows, vocabulary), names, rows.classes)
    return found


def _keys(inputs: Tensor) -> NDArray[Any]:
    """A number for each example, equal where the examples are; shape (n,)."""
    flat = np.ascontiguousarray(inputs.flatten(1).numpy())
    whole = flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).reshape(-1)
    return np.array([hash(key.tobytes()) for key in whole])


def _repeated(keys: NDArray[Any], rows: LabelledRows, what: str) -> list[str]:
    train, validation, test = rows.own
    known = np.unique(keys[train])
    counts = [int(np.isin(keys[part], known).sum()) for part in (validation, test)]
    if not any(counts):
        return []
    return [
        f"{what} that are training {what} too: {counts[0]} of {len(validation)} that validate, {counts[1]} of "
        f"{len(test)} that test. Scores flatter; remove duplicates."
    ]


def _contradicting(keys: NDArray[Any], classes: NDArray[np.int64], what: str) -> list[str]:
    pairs = np.unique(np.stack([keys, classes]), axis=1)
    different, labels = np.unique(pairs[0], return_counts=True)
    count = int(np.isin(keys, different[labels > 1]).sum())
    if not count:
        return []
    return [
        f"{count} {what} are the same as some of another class, which no model tells apart; correct or remove them."
    ]


def _told(sentence: str, found: Mapping[int, str], names: Sequence[str], classes: NDArray[np.int64]) -> list[str]:
    """The sentence on classes that something tells from all others; `found` has what, by class."""
    counts = np.bincount(classes, minlength=len(names))
    shown = [
        f"{quoted(names[label])} ({what})"
        for label, what in found.items()
        if min(counts[label], len(classes) - counts[label]) >= _LEAST
    ]
    return [sentence.format(listed(shown, _MOST_NAMED))] if shown else []


def _telling_forms(forms: Sequence[str], classes: NDArray[np.int64]) -> dict[int, str]:
    """Classes whose files have a form that no other class has."""
    owners: dict[str, set[int]] = {}
    for form, label in zip(forms, classes.tolist(), strict=False):
        owners.setdefault(form, set()).add(label)
    if len(owners) > max(1, len(classes) // 4):  # photographs that were cut by hand have a size each
        return {}
    told: dict[int, str] = {}
    shared = {label for labels in owners.values() if len(labels) > 1 for label in labels}
    for form, labels in owners.items():
        for label in labels - shared:
            told.setdefault(label, form)
    return dict(sorted(told.items()))


def _telling_pixels(rows: LabelledRows) -> dict[int, str]:
    """Classes that one pixel tells: in all their images it is lighter, or darker, than in any other."""
    labels = np.unique(rows.classes)
    images = rows.inputs.flatten(1)
    own = [images[torch.from_numpy(rows.classes == label)] for label in labels]
    low, high = (torch.stack([getattr(part, side)(0) for part in own]) for side in ("amin", "amax"))
    width = rows.inputs.shape[-1]
    told: dict[int, str] = {}
    for place, label in enumerate(labels.tolist()):
        others = [other for other in range(len(labels)) if other != place]
        telling = (low[place] > high[others].amax(0)) | (high[place] < low[others].amin(0))
        if bool(telling.any()):
            row, column = divmod(int(telling.nonzero()[0]) % (rows.inputs.shape[-2] * width), width)
            told[label] = f"row {row + 1}, column {column + 1}"
    return told


def _telling_tokens(rows: LabelledRows, vocabulary: Vocabulary) -> dict[int, str]:
    """Classes that one token tells: all their texts have it, and no other."""
    num_classes = int(rows.classes.max()) + 1
    counts = torch.zeros(num_classes, len(vocabulary) + 1, dtype=torch.int64)
    classes = torch.from_numpy(rows.classes)
    for tokens, labels in zip(rows.inputs.split(_PIECE), classes.split(_PIECE), strict=True):
        present = torch.zeros(len(tokens), len(vocabulary) + 1, dtype=torch.int64).scatter_(1, tokens, 1)
        counts.index_add_(0, labels, present)
    sizes, everywhere = classes.bincount(minlength=num_classes), counts.sum(0)
    told: dict[int, str] = {}
    for label in range(num_classes):
        telling = (counts[label] == sizes[label]) & (everywhere == counts[label])
        telling[0] = False  # behind the last token of a text
        found = [vocabulary.tokens[place - 1] for place in telling.nonzero()[:, 0].tolist()]
        if found:
            told[label] = repr(max(found, key=lambda token: len(token.strip())))
    return told
