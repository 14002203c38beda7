import torch

from metaopt_multitask.dwa import init, weigh


def test_it_is_the_papers_softmax_over_ratios_of_two_periods(info):
    """Equation 7, in periods of a tenth of 100 steps."""
    hparams = {"temperature": torch.tensor(2.0), "period": torch.tensor(0.1)}
    series = torch.rand(40, 3, generator=torch.Generator().manual_seed(0)) + 0.1
    state, weights = init(3, hparams), []
    for step, losses in enumerate(series):
        own, state = weigh(losses, state, hparams, info(step))
        weights.append(own)
    assert torch.equal(torch.stack(weights[:20]), torch.ones(20, 3))
    means = series.reshape(4, 10, 3).mean(1)
    for period in (2, 3):
        ratio = means[period - 1] / means[period - 2]
        expected = 3 * torch.softmax(ratio / 2.0, 0)
        assert torch.allclose(weights[10 * period + 5], expected, atol=1e-5)


def test_a_task_that_falls_slowly_counts_more(info):
    hparams, state = {"temperature": torch.tensor(1.0), "period": torch.tensor(0.01)}, init(2, {})
    for step in range(5):
        weights, state = weigh(torch.tensor([1.0, 0.5**step]), state, hparams, info(step))
    assert weights[0] > 1 > weights[1]
