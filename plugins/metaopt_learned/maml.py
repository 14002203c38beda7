"""Model-agnostic meta-learning: a start from which few gradient steps do well on a new task (Finn et al. 2017).

    min over θ of  E_episode  L_query(θ − lr · ∇L_support(θ))

with the derivative of the inner gradient (second order), through any number of inner steps.

When to use it: when there are many small tasks of one kind with a handful of examples each, and a few gradient steps
shall suffice on the next one.
"""

import metaopt
from metaopt_learned._shared.descent import LR, Descent, init_theta

spec = metaopt.OptimizerSpec(
    name="maml",
    version="1",
    summary="A learned start for few gradient steps, meta-trained through them (second order).",
    rule=Descent(),
    space={"lr": LR},
    meta=metaopt.MetaTraining(init_theta=init_theta, orders=("second",)),
    references=("https://arxiv.org/abs/1703.03400",),
)
