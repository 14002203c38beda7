"""What a table of texts with labels would be trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from metaopt.tasks.tables.reading.table_file import TableFile
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.showing.facts import facts_of_file, facts_of_task
from metaopt.tasks.tables.splitting import Rows
from metaopt.tasks.tables.text_table import CheckedTexts, TextTask
from metaopt.tasks.texts.tokens import Vocabulary


@dataclass(frozen=True, eq=False)
class ReadTexts:
    """A table of texts as training reads it."""

    file: TableFile
    table: CheckedTexts
    made: TextTask

    def report(
        self, settings: TableSettings, why: Mapping[str, str]
    ) -> tuple[Mapping[str, str], Mapping[str, Any], tuple[str, ...]]:
        """Columns, facts and hints; see `TableReport`."""
        own = {
            **dict.fromkeys(settings.drop, "dropped"),
            **({} if settings.group is None else {settings.group: "group, no input"}),
            **({} if settings.time is None else {settings.time: "time, no input"}),
            self.table.columns.text: "text",
            self.table.columns.target: "target",
        }
        columns = {name: own.get(name, "no input beside the text") for name in map(str, self.file.frame.columns)}
        facts = {
            **facts_of_file(self.file, len(self.table.rows)),
            "target": self.table.columns.target,
            "kind": "classification",
            "inputs": shown_vocabulary(self.made.vocabulary),
            **facts_of_task(self.made.task, self.table.target, self.made.rows.own),
        }
        lines = [f"Rows without a text: {self.table.num_empty:,}."] if self.table.num_empty else []
        return columns, facts, (*lines, *repeated(self.made.rows.inputs, self.made.rows.own, "rows"))


def shown_vocabulary(vocabulary: Vocabulary) -> str:
    """What is read of texts, for people."""
    kinds = {"words": "words", "characters": "runs of up to three characters"}
    return f"texts of at most {vocabulary.length} {kinds[vocabulary.kind]}, {len(vocabulary):,} different ones"


def repeated(inputs: Tensor, own: Rows, what: str) -> list[str]:
    """A warning if examples that validate or test are training examples, too.

    Args:
        inputs: of all examples, shape (n, …).
        own: rows that train, validate and test.
        what: they are called.
    """
    flat = np.ascontiguousarray(inputs.flatten(1).numpy())
    keys = flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).reshape(-1)
    hashes = np.array([hash(key.tobytes()) for key in keys])
    known = np.unique(hashes[own[0]])
    counts = [int(np.isin(hashes[part], known).sum()) for part in own[1:]]
    if not any(counts):
        return []
    return [
        f"warning: {what} that are training {what} too: {counts[0]} of {len(own[1])} that validate, {counts[1]} of "
        f"{len(own[2])} that test. Scores flatter; remove duplicates."
    ]
