"""What candidates would score on the tasks that they did not run on, and what they score once noise is taken off.

A race leaves most cells of the table of candidates × tasks empty, and candidates that went far did so on harder or
easier tasks than those that did not. For the sampler to compare them, the empty cells are filled by an additive model,

    score(candidate, task) ≈ a(candidate) + b(task),

fitted to the others by least squares with a ridge on a: a candidate that ran on n tasks keeps n / (n + RIDGE) of what
it is better than the tasks' average.
"""

from collections.abc import Sequence

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


def shrunken(table: Array, noises: Sequence[float]) -> Array:
    """Scores of single runs, each drawn towards what candidate and task have on average, as noise alone would have it.

    By the same additive model, a task whose scores scatter around it with variance v keeps 1 - noise² / v of that
    scatter, and candidates keep as much of what they are better than the average one.

    Args:
        table: scores, shape (candidates, tasks), all known.
        noises: standard deviation of the noise in a score of each task.

    Returns:
        The same shape.
    """
    if len(table) < 3:
        return table
    variances = np.asarray(noises) ** 2
    tasks, candidates = table.mean(axis=0), table.mean(axis=1, keepdims=True) - table.mean()
    residuals = table - tasks - candidates
    freedom = max((len(table) - 1) * max(table.shape[1] - 1, 1), 1) / table.shape[1]
    scatter = np.square(residuals).sum(axis=0) / freedom
    own = np.where(scatter > 0, np.clip(1 - variances / np.maximum(scatter, 1e-12), 0, 1), 0.0)
    spread = float(np.var(candidates, ddof=1))
    kept = max(1 - float(variances.mean()) / table.shape[1] / spread, 0.0) if spread > 0 else 0.0
    estimates: Array = tasks + kept * candidates + own * residuals
    return estimates
