"""DoWG: distance over gradients weighted by distances (Khaled et al. 2023); see `metaopt_wrappers._shared.distance`.

When to use it: as `dog`, on problems that are nearly convex: it is bolder where the weights have come far from their
start.
"""

import metaopt
from metaopt_wrappers._shared.distance import EPS, INITIAL, distance_wrapper

DOWG = metaopt.WrapperSpec(
    name="dowg",
    version="2",
    summary="DoG with gradients weighted by distances.",
    wrap=distance_wrapper("dowg", weighted=True),
    space={"initial": INITIAL, "eps": EPS},
    inner_lr=1.0,
    proposed=False,
    references=("https://arxiv.org/abs/2305.16284",),
)
