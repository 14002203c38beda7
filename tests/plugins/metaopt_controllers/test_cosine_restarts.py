import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from metaopt_controllers.cosine_restarts import COSINE_RESTARTS


@pytest.mark.parametrize("growth", [1, 2, 3])
def test_without_warm_up_it_is_torchs_with_each_cycle_as_much_longer(rates, torch_rates, growth):
    first, cycles = 10, 3
    horizon = sum(first * growth**cycle for cycle in range(cycles))
    theirs = torch_rates(lambda optimizer: CosineAnnealingWarmRestarts(optimizer, first, T_mult=growth), horizon)
    mine = rates(COSINE_RESTARTS, horizon, horizon, warmup=0.0, final_ratio=0.0, cycles=cycles, growth=float(growth))
    torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-8)
    late = rates(COSINE_RESTARTS, horizon, horizon + 5, warmup=0.0, cycles=cycles, growth=float(growth))
    assert late[-5:].abs().max() < 1e-7, "past the plan it stays at the end"
