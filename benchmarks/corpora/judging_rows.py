"""Rows that are reserved for judging: no corpus that a recipe is made on reads them.

| data | open to corpora | reserved |
|---|---|---|
| Tiny Shakespeare | the first nine tenths | the last tenth |
| MNIST's 10,000 digits, in the order of `benchmarks.recipes.drop_in_models` | the first 7,000 | those behind |
| Omniglot | the alphabets of `images_background.npz` | those of `images_evaluation.npz` |
| WikiText-2 | `valid.txt`, the first half of `test.txt` | the second half of `test.txt` |

On reserved rows `drop_in` and its like validate and test. Corpora read these data by the functions below alone; a test
hashes the rows of every task and compares.
"""

from pathlib import Path

from torch import Tensor

from benchmarks.recipes.drop_in_models import ordered_digits

#: Share of the text, number of digits, and share of the test text that are open.
OPEN_SHAKESPEARE, OPEN_DIGITS, OPEN_WIKITEXT = 0.9, 7_000, 0.5
#: Images of Omniglot by file.
OPEN_OMNIGLOT, RESERVED_OMNIGLOT = "images_background.npz", "images_evaluation.npz"


def shakespeare(data: Path, *, reserved: bool = False) -> str:
    """The open part of Tiny Shakespeare, or the reserved one."""
    return _part(data / "tinyshakespeare" / "input.txt", OPEN_SHAKESPEARE, reserved)


def wikitext_test(data: Path, *, reserved: bool = False) -> str:
    """The open part of WikiText-2's test text, or the reserved one."""
    return _part(data / "wikitext2" / "test.txt", OPEN_WIKITEXT, reserved)


def wikitext_validation(data: Path) -> str:
    """WikiText-2's validation text, all of which is open."""
    return (data / "wikitext2" / "valid.txt").read_text(encoding="utf-8")


def digits(data: Path, *, reserved: bool = False) -> tuple[Tensor, Tensor]:
    """Open digits, or reserved ones: grey levels of type uint8, shape (n, 28, 28), and labels, int64, shape (n,)."""
    part = slice(OPEN_DIGITS, None) if reserved else slice(OPEN_DIGITS)
    images, labels = ordered_digits(data / "mnist_t10k")
    return images[part], labels[part]


def _part(path: Path, share: float, reserved: bool) -> str:
    text = path.read_text(encoding="utf-8")
    end = int(share * len(text))
    return text[end:] if reserved else text[:end]
