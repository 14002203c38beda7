import torch

from metaopt.contracts import StepInfo
from metaopt.multitask import Balance
from metaopt.multitask.balance import inner_products
from metaopt_multitask import dwa, pcgrad, uncertainty

INFO = StepInfo(torch.tensor(0.0), torch.tensor(100.0))
ROWS = [torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0)), torch.randn(3, 5)]


def test_inner_products_are_those_of_all_tensors_together():
    flat = torch.cat([row.flatten(1) for row in ROWS], 1)
    assert torch.allclose(inner_products(ROWS), flat @ flat.T, atol=1e-5)


def test_without_a_surgery_it_is_the_mean():
    combined, _ = Balance().combined(ROWS, {}, {}, INFO)
    assert all(torch.allclose(own, row.mean(0)) for own, row in zip(combined, ROWS, strict=True))
    assert Balance().is_plain


def test_what_sees_all_numbers_gets_one_row_a_task():
    def agreeing(gradients, state, hparams, info):
        signs = gradients.sign().sum(0).abs() == len(gradients)
        return gradients.mean(0) * signs, state

    balance = Balance(combine=agreeing)
    combined, _ = balance.combined(ROWS, {}, {"surgery": {}}, INFO)
    for own, row in zip(combined, ROWS, strict=True):
        agree = (row > 0).all(0) | (row < 0).all(0)
        assert torch.allclose(own, row.mean(0) * agree, atol=1e-6)


def test_a_step_that_is_not_finite_changes_no_state_and_is_a_plain_mean():
    balance = Balance(weigh=uncertainty.weigh, init_weighting=uncertainty.init, mix=pcgrad.mix)
    hparams = {"weighting": {"rate": torch.tensor(0.1)}, "surgery": {}}
    state = balance.init(3, hparams)
    weights, after = balance.weights(torch.tensor([1.0, torch.nan, 2.0]), state, hparams, INFO)
    assert torch.equal(weights, torch.ones(3))
    assert all(torch.equal(after[name], value) for name, value in state.items())
    broken = [torch.full((3, 2), torch.inf)]
    combined, _ = balance.combined(broken, state, hparams, INFO)
    assert not torch.isfinite(combined[0]).any()  # a guard sees it


def test_states_of_both_are_kept_apart():
    balance = Balance(weigh=dwa.weigh, init_weighting=dwa.init, mix=pcgrad.mix)
    assert set(balance.init(2, {"weighting": {}, "surgery": {}})) == {
        f"weighting.{name}" for name in ("sum", "last", "before", "steps", "periods")
    }
