"""Reptile: the start moves towards where gradient descent on each task ends (Nichol et al. 2018, algorithm 1).

    θ ← θ + outer_lr · E_episode (θ_K − θ),   θ_K from θ by K gradient steps

The outer step goes through Adam, for which θ − θ_K is the gradient, as the paper suggests (section 5).

When to use it: as `fomaml`, when tasks have enough examples for many inner steps: it needs no query set in
meta-training.
"""

import metaopt
from metaopt_learned._shared.descent import LR, Descent, init_theta

spec = metaopt.OptimizerSpec(
    name="reptile",
    version="1",
    summary="A learned start that moves towards where training on each task ends.",
    rule=Descent(),
    space={"lr": LR},
    meta=metaopt.MetaTraining(init_theta=init_theta, estimator="reptile", orders=("first",)),
    references=("https://arxiv.org/abs/1803.02999",),
)
