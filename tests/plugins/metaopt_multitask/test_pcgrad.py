import torch

from metaopt_multitask.pcgrad import mix


def algorithm_1(gradients, step):
    """The paper's, task by task, with the turn through the others in place of a random order."""
    count, projected = len(gradients), []
    for i, own in enumerate(gradients):
        own = own.clone()
        for turn in range(count - 1):
            other = gradients[(i + 1 + (step + turn) % (count - 1)) % count]
            if own @ other < 0:
                own = own - (own @ other) / (other @ other) * other
        projected.append(own)
    return torch.stack(projected).mean(0)


def test_it_is_the_papers_algorithm(gradients, info):
    for step in range(4):
        coefficients, _ = mix(gradients @ gradients.T, {}, {}, info(step))
        assert torch.allclose(coefficients @ gradients, algorithm_1(gradients, step), atol=1e-10)


def test_gradients_that_agree_are_left_alone(info):
    gram = torch.tensor([[1.0, 0.2], [0.2, 4.0]])
    assert torch.equal(mix(gram, {}, {}, info())[0], torch.tensor([0.5, 0.5]))


def test_two_at_odds_lose_what_goes_against_each_other(info):
    rows = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
    combined = mix(rows @ rows.T, {}, {}, info())[0] @ rows
    assert torch.allclose(combined, torch.tensor([[0.5, 0.5], [0.0, 1.0]]).mean(0))
