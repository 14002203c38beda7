"""Cautious steps beside those of the package pytorch_optimizer."""

import pytorch_optimizer
import torch

import metaopt


def test_around_lion_it_steps_as_pytorch_optimizer_does(waves):
    model, plain = waves.model(), waves.model()
    ours = metaopt.create_optimizer("lion", model, wrappers=["cautious"], lr=1e-2, betas=(0.9, 0.99), weight_decay=0.0)
    theirs = pytorch_optimizer.Lion(plain.parameters(), lr=1e-2, betas=(0.9, 0.99), weight_decay=0.0, cautious=True)
    torch.testing.assert_close(waves.trained(ours, model), waves.trained(theirs, plain), rtol=1e-9, atol=1e-12)


def test_what_goes_against_the_gradient_stays_and_the_rest_goes_further():
    param = torch.nn.Parameter(torch.zeros(4))
    optimizer = metaopt.create_optimizer("sgd", [param], wrappers=["cautious"], lr=1.0, momentum=0.9)
    for grad in ([4.0, 4.0, 4.0, 4.0], [1.0, 1.0, -1.0, 1.0]):
        before = param.detach().clone()
        param.grad = torch.tensor(grad)
        optimizer.step()
    step = param.detach() - before
    # momentum alone would move the third by 0.9·4 - 1 = 2.6 downwards, against its gradient
    torch.testing.assert_close(step, torch.tensor([-4.6, -4.6, 0.0, -4.6]) * 4 / (3 + 1))


def test_where_all_agree_the_step_is_the_rules_but_for_one_in_n():
    param = torch.nn.Parameter(torch.zeros(99))
    optimizer = metaopt.create_optimizer("sgd", [param], wrappers=["cautious"], lr=1.0)
    param.grad = torch.ones(99)
    optimizer.step()
    torch.testing.assert_close(param.detach(), -torch.full((99,), 99 / 100))
