"""Texts as inputs, by the vocabulary of training texts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor, nn

from metaopt.errors import InputError, first_line, listed, quoted
from metaopt.files import is_file
from metaopt.tasks.labelled.new_examples.example_files import example_files
from metaopt.tasks.labelled.reading import read_texts
from metaopt.tasks.labelled.settings import LabelledSettings
from metaopt.tasks.labelled.task import fresh_model
from metaopt.tasks.tables.columns.cells import GAPS, clean
from metaopt.tasks.tables.csv_folder import SUFFIXES as TABLES
from metaopt.tasks.tables.new_rows.new_file import read_new_file
from metaopt.tasks.tables.new_rows.row_reader import NewRows
from metaopt.tasks.tables.new_rows.target_scale import TargetScale
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.texts.embedding_net import EmbeddingNet
from metaopt.tasks.texts.tokens import Vocabulary

if TYPE_CHECKING:
    import pandas as pd

#: The column that holds texts where training texts were no table's.
_COLUMN = "text"


@dataclass(frozen=True)
class TextReader:
    """Turns later texts into inputs.

    Attributes:
        vocabulary: of training texts.
        target: what is predicted.
        column: that training texts were in; None where they were no table's.
        are_lines: whether each line of a text file is a text; otherwise it is one as a whole.
        encoding: of files, where the owner says it.
        separator: of tables, likewise.
        model_name: the user's `"package.module:factory"`, or None for metaopt's own model.
        width: by how much that one is wider.
    """

    vocabulary: Vocabulary
    target: TargetScale
    column: str | None = None
    are_lines: bool = False
    encoding: str | None = None
    separator: str | None = None
    model_name: str | None = None
    width: float = 1.0

    unit: ClassVar[str] = "texts"

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "TextReader":
        """What `to_json` wrote; KeyError or TypeError where it did not."""
        parts = {name: value for name, value in document.items() if name != "kind"}
        vocabulary, target = Vocabulary(**parts["vocabulary"]), TargetScale.from_json(parts["target"])
        vocabulary = replace(vocabulary, tokens=tuple(vocabulary.tokens))
        return cls(**{**parts, "vocabulary": vocabulary, "target": target})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON. It holds the tokens of training texts."""
        return {"kind": "texts", **asdict(self), "target": self.target.to_json()}

    def fresh_model(self) -> nn.Module:
        """An untrained model."""
        tokens, classes = len(self.vocabulary) + 1, self.target.num_outputs
        return fresh_model(self.model_name, EmbeddingNet, tokens, classes, self.width)

    def inputs_of(self, texts: Sequence[str]) -> Tensor:
        """Inputs of texts, shape (n, length)."""
        return self.vocabulary.numbers(texts)

    def read(self, source: "str | Path | pd.DataFrame") -> NewRows:
        """The texts of a table or a data frame, of a text file, or of a folder of such files.

        Args:
            source: a table has the column that training texts were in, or only one, or one that is called text.

        Raises:
            InputError: it cannot be read, or has no such column.
        """
        if not isinstance(source, str | Path):
            if not hasattr(source, "iloc"):
                raise InputError(f"Texts are a file, a folder or a data frame, got {quoted(source)}.")
            return self._of_table(source, "The data frame")
        path = Path(source)
        if is_file(path) and path.name.lower().endswith(TABLES):
            told = TableSettings(encoding=self.encoding, separator=self.separator)
            return self._of_table(read_new_file(path, told), str(path))
        return self._of_files(example_files(path, "texts"))

    def _of_table(self, frame: "pd.DataFrame", where: str) -> NewRows:
        names = list(map(str, frame.columns))
        wanted = self.column or (names[0] if len(names) == 1 else _COLUMN)
        if wanted not in names:
            raise InputError(
                f"{where} lacks the column {quoted(wanted)}, which texts are read from; it has {listed(names)}."
            )
        if not len(frame):
            raise InputError(f"{where} has no rows; there is nothing to predict.")
        column = frame.iloc[:, names.index(wanted)]
        texts = ["" if cell != cell or cell is None else clean(str(cell)) for cell in column]
        return NewRows(self.inputs_of(["" if text in GAPS else text for text in texts]), frame, {})

    def _of_files(self, files: Mapping[str, Path]) -> NewRows:
        import pandas as pd

        read = read_texts(list(files.values()), LabelledSettings(encoding=self.encoding), self.are_lines)
        broken = [*read.broken, *((path, first_line(error)) for path, error in read.unknown)]
        if broken:
            path, reason = broken[0]
            raise InputError(f"{quoted(path)} ({reason}) cannot be read; replace or remove it.")
        texts = [str(text) for text in read.values]
        if not texts:
            raise InputError(f"{quoted(next(iter(files.values())))} holds no text; there is nothing to predict.")
        names = np.array(list(files), dtype=object)[read.places]
        shown = {"file": names, **({_COLUMN: texts} if self.are_lines else {})}
        return NewRows(self.inputs_of(texts), pd.DataFrame(shown), {})
