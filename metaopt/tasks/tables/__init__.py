"""Tasks from tables: cells, columns, targets, splits."""
