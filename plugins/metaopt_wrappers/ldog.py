"""L-DoG: DoG for each tensor by itself (Ivgi et al. 2023); see `metaopt_wrappers._shared.distance`.

When to use it: as `dog`, for networks whose layers want rates of different size, such as transformers.
"""

import metaopt
from metaopt_wrappers._shared.distance import EPS, INITIAL, distance_wrapper

LDOG = metaopt.WrapperSpec(
    name="ldog",
    version="2",
    summary="DoG for each tensor by itself.",
    wrap=distance_wrapper("ldog", layerwise=True),
    space={"initial": INITIAL, "eps": EPS},
    inner_lr=1.0,
    proposed=False,
    references=("https://arxiv.org/abs/2302.12022",),
)
