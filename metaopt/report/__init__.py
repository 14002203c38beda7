"""What a study bought, as tables, plots and one HTML page."""

from metaopt.report.page import write_report
from metaopt.report.tables import Table

__all__ = ["Table", "write_report"]
