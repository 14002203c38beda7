"""Proto-MAML: MAML whose last layer starts as the support set's nearest-mean classifier (Triantafillou et al. 2020).

    wₖ = 2 cₖ,  bₖ = −|cₖ|²,   cₖ the mean of the features of class k

The start of all other layers is learned as in `maml`; the meta-gradient goes through the means too.

When to use it: as `maml`, for classification with classes that are new in every episode: its last layer starts as a
nearest-mean classifier instead of at random.
"""

import metaopt
from metaopt_learned._shared.descent import LR, Descent, init_theta

spec = metaopt.OptimizerSpec(
    name="proto_maml",
    version="1",
    summary="A learned start whose last layer is made of the support set's class means.",
    rule=Descent(),
    space={"lr": LR},
    meta=metaopt.MetaTraining(init_theta=init_theta, orders=("second", "first"), prototypes=True),
    references=("https://arxiv.org/abs/1903.03096",),
)
