import torch
from torch.optim.lr_scheduler import LinearLR, SequentialLR

from metaopt_controllers.linear import LINEAR


def test_it_is_torchs_linear_lr(rates, torch_rates):
    reference = torch_rates(lambda o: LinearLR(o, 1.0, 0.1, total_iters=30), 40)
    torch.testing.assert_close(rates(LINEAR, 30, 40, warmup=0.0, final_ratio=0.1), reference)


def test_with_warm_up_it_is_two_linear_lrs_in_sequence(rates, torch_rates):
    def make(optimizer):
        up = LinearLR(optimizer, 1 / 10, 1.0, total_iters=9)
        return SequentialLR(optimizer, [up, LinearLR(optimizer, 1.0, 0.2, total_iters=40)], milestones=[10])

    torch.testing.assert_close(rates(LINEAR, 50, 60, warmup=0.2, final_ratio=0.2), torch_rates(make, 60))
