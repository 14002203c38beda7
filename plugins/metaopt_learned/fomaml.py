"""First-order MAML: the meta-gradient of `maml` with the inner gradients taken for constants (Finn et al. 2017, 5.2).

θ ← θ − outer_lr · E_episode ∇L_query(θ_K),   θ_K from θ by K gradient steps on the support set

When to use it: as `maml`, when second derivatives are too dear or not there: its meta-gradient costs less and is less
exact.
"""

import metaopt
from metaopt_learned._shared.descent import LR, Descent, init_theta

spec = metaopt.OptimizerSpec(
    name="fomaml",
    version="1",
    summary="A learned start for few gradient steps; its meta-training takes inner gradients for constants.",
    rule=Descent(),
    space={"lr": LR},
    meta=metaopt.MetaTraining(init_theta=init_theta, orders=("first",)),
    references=("https://arxiv.org/abs/1703.03400",),
)
