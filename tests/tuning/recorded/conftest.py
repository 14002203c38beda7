"""Recorded runs in CSV files."""

import pandas as pd

FLAT = [
    ("good", "a", 1, 0.2),
    ("good", "b", 1, 0.5),
    ("fair", "a", 1, 0.4),
    ("fair", "b", 1, 0.3),
    ("bad", "a", 1, 0.9),
    ("bad", "b", 1, 0.8),
]


def write(path, rows, columns=("candidate", "task", "step", "value")):
    pd.DataFrame(rows, columns=list(columns)).to_csv(path, index=False)
    return path


def text_of(rows):
    return "\n".join(",".join(map(str, row)) for row in (("candidate", "task", "step", "value"), *rows)) + "\n"
