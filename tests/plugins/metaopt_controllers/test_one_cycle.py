import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR

from metaopt_controllers.one_cycle import ONE_CYCLE


@pytest.mark.parametrize("pct_start", [0.0, 0.05, 0.25, 0.3, 0.95])
def test_it_is_torchs_one_cycle_lr(rates, torch_rates, pct_start):
    def make(optimizer):
        return OneCycleLR(
            optimizer, max_lr=1.0, total_steps=50, pct_start=pct_start, cycle_momentum=False, div_factor=10,
            final_div_factor=100,
        )  # fmt: skip

    ours = rates(ONE_CYCLE, 50, 50, warmup=pct_start, initial_ratio=0.1, final_ratio=0.001)
    torch.testing.assert_close(ours, torch_rates(make, 50))


def test_its_defaults_are_torchs(rates, torch_rates):
    reference = torch_rates(lambda o: OneCycleLR(o, max_lr=1.0, total_steps=40, cycle_momentum=False), 40)
    torch.testing.assert_close(rates(ONE_CYCLE, 40, 40), reference)
