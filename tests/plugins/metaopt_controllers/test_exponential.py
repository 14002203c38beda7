import torch
from torch.optim.lr_scheduler import ExponentialLR

from metaopt_controllers.exponential import EXPONENTIAL


def test_it_is_torchs_exponential_lr_up_to_the_horizon(rates, torch_rates):
    reference = torch_rates(lambda o: ExponentialLR(o, gamma=0.01 ** (1 / 30)), 31)
    torch.testing.assert_close(rates(EXPONENTIAL, 30, 31, final_ratio=0.01), reference)
