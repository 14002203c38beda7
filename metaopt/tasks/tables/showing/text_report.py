"""What a table of texts with labels would be trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metaopt.tasks.tables.reading.table_file import TableFile
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.showing.facts import example_columns, facts_of_file, facts_of_task
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
        columns = example_columns(self.file.frame, self.table.columns, "text", "text", settings)
        facts = {
            **facts_of_file(self.file, len(self.table.labels.rows)),
            "target": self.table.columns.target,
            "kind": "classification",
            "inputs": shown_vocabulary(self.made.vocabulary),
            **facts_of_task(self.made.task, self.table.labels.target, self.made.rows.own),
        }
        lines = [f"Rows without a text: {self.table.num_empty:,}."] if self.table.num_empty else []
        return columns, facts, (*lines, *(f"warning: {sentence}" for sentence in self.made.leaks()))


def shown_vocabulary(vocabulary: Vocabulary) -> str:
    """What is read of texts, for people."""
    kinds = {"words": "words", "characters": "runs of up to three characters"}
    return f"texts of at most {vocabulary.length} {kinds[vocabulary.kind]}, {len(vocabulary):,} different ones"
