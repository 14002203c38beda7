import torch
from torch import nn

from metaopt import SupportSet
from metaopt.learners import one_hot
from metaopt_learners._shared.cosine_head import classify
from metaopt_learners.finetune import fit

HPARAMS = {"scale": 10.0, "steps": 3, "rate": 0.3, "backbone_rate": 0.05}


def test_head_and_backbone_go_down_the_cross_entropy_by_their_own_rates():
    """As torch's SGD with two groups does on equal shots."""
    inputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([0, 1, 2, 0, 1, 2])
    model = nn.Linear(4, 5)
    start = {name: param.detach().clone() for name, param in model.named_parameters()}
    features = model(inputs).detach()
    means = torch.stack([features[targets == number].mean(0) for number in range(3)])
    weights = nn.Parameter(means / means.norm(dim=1, keepdim=True))
    groups = [{"params": [weights], "lr": 0.3}, {"params": model.parameters(), "lr": 0.05}]
    optimizer = torch.optim.SGD(groups)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(classify(model(inputs), weights, HPARAMS), targets).backward()
        optimizer.step()
    support = SupportSet(start, lambda weights: nn.functional.linear(inputs, weights["weight"], weights["bias"]))
    with torch.no_grad():
        kept = fit(support, one_hot(targets, 3, torch.float32), {}, HPARAMS)
    assert torch.allclose(kept["weights"], weights, atol=1e-5)
    for name, param in model.named_parameters():
        assert torch.allclose(kept[f"backbone.{name}"], param, atol=1e-5)
