"""With a large momentum_decay, NAdamW is Dozat's and optax's form."""

import torch


def test_a_large_momentum_decay_gives_the_constant_beta1_form(problem, drive):
    from metaopt_optimizers import nadamw

    numbers = {"lr": 1e-2, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.1, "momentum_decay": 1e3}
    given = problem(torch.float64)
    trajectory = drive(nadamw.rule, given, [numbers, numbers])

    w = given.params["matrix"]
    m = v = torch.zeros_like(w)
    t = 0
    for step, gradients in enumerate(given.gradients):
        if "matrix" in gradients:
            g, t = gradients["matrix"], t + 1
            m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
            ahead = 0.9 * m / (1 - 0.9 ** (t + 1)) + 0.1 * g / (1 - 0.9**t)
            w = w - 1e-2 * (ahead / ((v / (1 - 0.99**t)).sqrt() + 1e-8) + 0.1 * w)
        torch.testing.assert_close(trajectory.params[step]["matrix"], w, rtol=1e-12, atol=1e-12)
