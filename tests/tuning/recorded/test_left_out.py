"""Candidates are chosen on some tasks and judged on the others, here or wherever blocks of work run."""

import numpy as np
import pytest

from metaopt.contracts import Curve
from metaopt.tuning.executors.named import dispatcher
from metaopt.tuning.judging.scores import Scale, objective
from metaopt.tuning.recorded.left_out import SPLITS, Scored, held_out_scores

NAMES = [f"c{candidate}" for candidate in range(6)]
FAMILIES = ["a"] * 6 + ["b"] * 3


@pytest.fixture(scope="module")
def scored():
    """Random scores of six candidates on nine tasks of two families."""
    generator = np.random.default_rng(1)
    tasks = [f"t{row}" for row in range(len(FAMILIES))]
    runs = [[Curve(steps=np.ones(1, int), values=np.full(1, value), horizon=1)] for value in (1.0, 0.0)]
    scales = dict.fromkeys(tasks, Scale.of(*runs))
    table = {name: (None, dict(zip(tasks, generator.normal(size=len(tasks)).tolist(), strict=True))) for name in NAMES}
    return Scored(table, {name: generator.normal(size=len(tasks)) for name in NAMES}, scales, FAMILIES)


@pytest.mark.parametrize("parts", [2, 4, len(FAMILIES)])
def test_one_part_is_judged_by_what_is_chosen_on_the_others(scored, parts):
    scores = held_out_scores(scored, 3, parts, None)
    assert len(scores) >= SPLITS
    for division in scores[:20]:
        judged = np.flatnonzero(~np.isnan(division[:, 0]))
        assert len(judged) in (len(FAMILIES) // parts, -(-len(FAMILIES) // parts))
        weights = {task: scale.weight for row, (task, scale) in enumerate(scored.scales.items()) if row not in judged}
        best = max(NAMES, key=lambda name: objective({task: scored.table[name][1][task] for task in weights}, weights))
        assert division[judged, 0].tolist() == scored.finals[best][judged].tolist()
        assert (np.diff(division[judged], axis=1) >= 0).all()  # more candidates never reach less
    assert not np.isnan(scores[:, :, 0]).all(axis=0).any()  # every task is left out sooner or later


def test_families_are_dealt_evenly(scored):
    for division in held_out_scores(scored, 1, 3, None)[:50]:
        judged = [FAMILIES[row] for row in np.flatnonzero(~np.isnan(division[:, 0]))]
        assert (judged.count("a"), judged.count("b")) == (2, 1)


@pytest.mark.slow
def test_workers_find_what_one_process_finds(scored):
    workers = dispatcher("local", 2, None, print, None)
    try:
        np.testing.assert_array_equal(held_out_scores(scored, 3, 4, workers), held_out_scores(scored, 3, 4, None))
    finally:
        workers.close()
