"""The gated recurrent unit that vmap can follow, and its data."""

import torch

from metaopt_corpora.sequences import GRU, adding_splits, parity_splits


def test_it_computes_what_torchs_does():
    torch.manual_seed(0)
    mine, theirs = GRU(3, 5, 2), torch.nn.GRU(3, 5, batch_first=True)
    hidden = mine.num_hidden
    with torch.no_grad():
        for target, source in (
            (theirs.weight_ih_l0, mine.from_input.weight),
            (theirs.weight_hh_l0, mine.from_state.weight),
            (theirs.bias_ih_l0, mine.from_input.bias),
            (theirs.bias_hh_l0, mine.from_state.bias),
        ):
            update, reset, new = source.split(hidden)
            target.copy_(torch.cat([reset, update, new]))
        sequences = torch.randn(4, 6, 3)
        expected = mine.output(theirs(sequences)[0][:, -1])
    torch.testing.assert_close(mine(sequences), expected)


def test_the_target_of_adding_is_the_sum_of_the_two_marked():
    data = adding_splits().train
    values, marked = data.inputs[..., 0], data.inputs[..., 1]
    assert (marked.sum(dim=1) == 2).all()
    assert ((values * marked).sum(dim=1, keepdim=True) - data.targets).std() < 0.12


def test_parity_is_balanced():
    share = parity_splits().train.targets.double().mean()
    assert 0.45 < share < 0.55
