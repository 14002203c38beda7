"""DoG: the rate is the distance from the start over the root of all squared gradients so far (Ivgi et al. 2023).

The formula is in `metaopt_wrappers._shared.distance`. The authors ask for averaged iterates beside it: the wrapper
`averaged` of kind `polynomial`.

When to use it: with `sgd`, when no rate shall be chosen, together with `averaged` of kind `polynomial`. Around rules
that normalise gradients, such as `adamw`, take `mechanic`.
"""

import metaopt
from metaopt_wrappers._shared.distance import EPS, INITIAL, distance_wrapper

DOG = metaopt.WrapperSpec(
    name="dog",
    version="2",
    summary="Sets lr by the distance from the start over gradients.",
    wrap=distance_wrapper("dog"),
    space={"initial": INITIAL, "eps": EPS},
    inner_lr=1.0,
    proposed=False,
    references=("https://arxiv.org/abs/2302.12022",),
)
