"""What a table of image files with labels would be trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metaopt.tasks.tables.image_table import CheckedImages, ImageTask
from metaopt.tasks.tables.reading.table_file import TableFile
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.showing.facts import example_columns, facts_of_file, facts_of_task


@dataclass(frozen=True, eq=False)
class ReadImages:
    """A table of images as training reads it."""

    file: TableFile
    table: CheckedImages
    made: ImageTask

    def report(
        self, settings: TableSettings, why: Mapping[str, str]
    ) -> tuple[Mapping[str, str], Mapping[str, Any], tuple[str, ...]]:
        """Columns, facts and hints; see `TableReport`."""
        labels = self.table.labels
        becomes = f"image: {self.table.contents.form}"
        channels, height, width = self.made.rows.inputs.shape[1:]
        changes = f", changed by {', '.join(settings.augment)} while training" if settings.augment else ""
        facts = {
            **facts_of_file(self.file, len(labels.rows)),
            "target": self.table.columns.target,
            "kind": "classification",
            "inputs": f"images of {channels}×{height}×{width}{changes}",
            **facts_of_task(self.made.task, labels.target, self.made.rows.own),
        }
        warnings = (f"warning: {sentence}" for sentence in self.made.leaks())
        columns = example_columns(self.file.frame, self.table.columns, becomes, "image", settings)
        return columns, facts, (*self.table.contents.hints, *warnings)
