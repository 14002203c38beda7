import torch

import metaopt
from metaopt_controllers.wsd import WSD


def test_it_warms_up_stays_and_falls_in_a_line(rates):
    shares = rates(WSD, 20, 22, warmup=0.1, decay=0.25, shape="linear", final_ratio=0.0)
    expected = [0.5, *[1.0] * 15, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0]
    torch.testing.assert_close(shares, torch.tensor(expected, dtype=torch.float64))


def test_its_other_shape_falls_by_the_root_of_the_passed_share(rates):
    shares = rates(WSD, 8, 9, warmup=0.0, decay=0.5, shape="1-sqrt", final_ratio=0.2)
    falls = [1 - 0.8 * part**0.5 for part in (0, 0.25, 0.5, 0.75, 1)]
    torch.testing.assert_close(shares, torch.tensor([1.0, 1.0, 1.0, 1.0, *falls], dtype=torch.float64))


def test_where_warm_up_and_decay_overlap_their_multipliers_multiply(rates):
    shares = rates(WSD, 4, 4, warmup=1.0, decay=1.0, shape="linear", final_ratio=0.0)
    torch.testing.assert_close(shares, torch.tensor([0.25, 0.5 * 0.75, 0.75 * 0.5, 0.25], dtype=torch.float64))


def test_before_the_decay_the_rate_is_the_peak_to_the_last_bit():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1e-3)
    metaopt.create_scheduler("wsd", optimizer, total_steps=100, warmup=0.0)
    assert optimizer.param_groups[0]["lr"] == 1e-3
