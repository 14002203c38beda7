"""Two real ranks under Lightning's `ddp`: the same weights, the same decision, and what one process makes of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.integrations.tiny import plain, recipe_of

pytest.importorskip("lightning")

SCRIPT = Path(__file__).with_name("lightning_on_ranks.py")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    finished = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)], capture_output=True, text=True, timeout=300, check=False
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["schedulefree", "averaged", "plateau", "polyak", "greedy", "learned_schedule", "mlp_lopt"]
)
def test_ranks_end_with_the_best_weights_of_a_process_that_has_both_their_batches(ranks, kind):
    first, second = (rank[kind] for rank in ranks)
    assert first == second
    assert first["steps"] == 30
    expected, _ = plain(recipe_of(kind))
    for value, own in zip(expected.state_dict().values(), first["weights"], strict=True):
        torch.testing.assert_close(torch.tensor(own), value, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_metric_of_one_rank_alone_stops_both_at_once(ranks):
    first, second = (rank["uneven"] for rank in ranks)
    assert first == second
    epoch, num_steps, best_step, _ = first["stopped"]
    assert epoch < 20
    assert num_steps == epoch * 6
    assert best_step == 0
