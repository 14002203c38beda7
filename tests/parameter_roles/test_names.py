"""Names without what wrappers put into them."""

import torch
from torch import nn

from metaopt.parameter_roles import bare_name


def test_wrappers_leave_no_trace_in_names():
    model = nn.Sequential(nn.Linear(2, 1))
    names = [name for name, _ in model.named_parameters()]
    averaged = torch.optim.swa_utils.AveragedModel(nn.DataParallel(model))
    assert [bare_name(name) for name, _ in averaged.named_parameters()] == names
    assert [bare_name(f"_orig_mod.{name}") for name in names] == names
