"""DoWG follows its formula."""

import torch

import metaopt


def test_it_is_its_formula(waves):
    model = waves.model()
    params, start = list(model.parameters()), [one.detach().clone() for one in waves.model().parameters()]
    reached = 1e-3 * (1 + torch.cat([one.flatten() for one in start]).norm())
    squares, expected = 1e-8 * reached**2, []
    for step in range(waves.steps):
        rows = slice(8 * (step % 8), 8 * (step % 8) + 8)
        grads = torch.autograd.grad((model(waves.inputs[rows]) - waves.targets[rows]).square().mean(), params)
        far = torch.cat([(one - two).flatten() for one, two in zip(params, start, strict=True)]).norm()
        reached = torch.maximum(reached, far.detach())
        squares = squares + reached**2 * sum(grad.square().sum() for grad in grads)
        with torch.no_grad():
            for param, grad in zip(params, grads, strict=True):
                param -= reached**2 / squares.sqrt() * grad
        expected.append(torch.cat([one.detach().flatten() for one in params]))
    found = waves.ours("sgd", "dowg", lr=1.0, **{"dowg.initial": 1e-3})
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-9, atol=1e-12)


def test_it_moves_where_gradients_are_small(waves):
    model = waves.model()
    start = torch.cat([one.detach().flatten() for one in model.parameters()])
    optimizer = metaopt.create_optimizer("sgd", model, wrappers=["dowg"])
    for _ in range(100):
        optimizer.zero_grad()
        (1e-2 * (model(waves.inputs) - waves.targets).square().mean()).backward()
        optimizer.step()
    assert (torch.cat([one.detach().flatten() for one in model.parameters()]) - start).norm() > 0.1
