import torch

from metaopt_multitask.uncertainty import init, weigh


def test_its_noise_is_trained_by_adam_on_the_papers_objective(info):
    """Equation 7, its gradient by autograd and its steps by torch's Adam."""
    hparams = {"rate": torch.tensor(0.03)}
    state, s = init(3, hparams), torch.nn.Parameter(torch.zeros(3))
    adam = torch.optim.Adam([s], lr=0.03)
    for step in range(20):
        losses = torch.tensor([4.0, 0.5, 1.0]) / (1 + step)
        weights, state = weigh(losses, state, hparams, info(step))
        assert torch.allclose(weights, torch.exp(-s.detach()), atol=1e-5)
        adam.zero_grad()
        (torch.exp(-s) * losses + s).sum().backward()
        adam.step()


def test_weights_tend_to_one_over_the_loss(info):
    state, losses = init(2, {}), torch.tensor([4.0, 0.25])
    for step in range(400):
        weights, state = weigh(losses, state, {"rate": torch.tensor(0.05)}, info(step))
    assert torch.allclose(weights, 1 / losses, rtol=0.05)
