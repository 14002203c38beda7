"""What candidates would score on the tasks that they did not run on.

A race leaves most cells of the table of candidates × tasks empty, and candidates that went far did so on harder or
easier tasks than those that did not. For the sampler to compare them, the empty cells are filled by an additive model,

    score(candidate, task) ≈ a(candidate) + b(task),

fitted to the others by least squares with a ridge on a: a candidate that ran on n tasks keeps n / (n + RIDGE) of what
it is better than the tasks' average.
"""

import numpy as np

from metaopt.contracts import Array

#: In tasks: how much a candidate's standing is shrunk towards the average one's.
RIDGE = 1.0
#: Alternating least squares converges long before.
ROUNDS = 30


def filled(table: Array) -> Array:
    """The table with its empty cells filled; what is known stays.

    Args:
        table: scores, shape (candidates, tasks), NaN where unknown.

    Returns:
        The same shape. A task that no candidate ran on counts as 0 on average.
    """
    known = np.isfinite(table)
    values = np.where(known, table, 0.0)
    candidates, tasks = np.zeros((len(table), 1)), np.zeros(table.shape[1])
    for _ in range(ROUNDS):
        tasks = np.where(known, values - candidates, 0.0).sum(0) / np.maximum(known.sum(0), 1)
        candidates = np.where(known, values - tasks, 0.0).sum(1, keepdims=True) / (known.sum(1, keepdims=True) + RIDGE)
    return np.where(known, table, candidates + tasks)
