import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from metaopt_controllers.cosine import COSINE


def test_it_is_torchs_cosine_annealing_lr_up_to_the_horizon(rates, torch_rates):
    reference = torch_rates(lambda o: CosineAnnealingLR(o, T_max=30, eta_min=0.1), 31)
    torch.testing.assert_close(rates(COSINE, 30, 31, warmup=0.0, final_ratio=0.1), reference)


def test_with_warm_up_it_is_linear_lr_and_cosine_annealing_lr_in_sequence(rates, torch_rates):
    def make(optimizer):
        up = LinearLR(optimizer, 1 / 5, 1.0, total_iters=4)
        return SequentialLR(optimizer, [up, CosineAnnealingLR(optimizer, T_max=45)], milestones=[5])

    torch.testing.assert_close(rates(COSINE, 50, 50, warmup=0.1, final_ratio=0.0), torch_rates(make, 50))
