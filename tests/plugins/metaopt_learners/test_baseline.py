import torch
from torch import nn

import metaopt
from metaopt.learners import one_hot
from metaopt_learners._shared.cosine_head import classify
from metaopt_learners.baseline import fit
from tests.learners.conftest import digit_task, mlp

HPARAMS = {"scale": 10.0, "steps": 4, "rate": 0.3}


def test_the_head_goes_down_the_cross_entropy_from_the_class_means():
    """As torch's SGD does on equal shots."""
    support, targets = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0, 1, 2])
    means = torch.stack([support[targets == number].mean(0) for number in range(3)])
    weights = nn.Parameter(means / means.norm(dim=1, keepdim=True))
    optimizer = torch.optim.SGD([weights], lr=0.3)
    for _ in range(4):
        optimizer.zero_grad()
        nn.functional.cross_entropy(classify(support, weights, HPARAMS), targets).backward()
        optimizer.step()
    kept = fit(support, one_hot(targets, 3, torch.float32), {}, HPARAMS)
    assert torch.allclose(kept["weights"], weights, atol=1e-5)


def test_features_are_trained_on_all_classes_at_once():
    result = metaopt.meta_train("baseline", digit_task(mlp), {"batch": 32}, num_iterations=150)
    assert result.recipe.theta["classes.weight"].shape == (4, 16)
    objectives = result.curves["digits"].signals["train_loss"]
    assert objectives[-1] < 1.0, "chance is log 4 = 1.39"
