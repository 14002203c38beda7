"""L-DoG: DoG for each tensor by itself (Ivgi et al. 2023); see `metaopt_controllers.distance`."""

import metaopt
from metaopt_controllers.distance import EPS, INITIAL, distance_wrapper

LDOG = metaopt.WrapperSpec(
    name="ldog",
    version="1",
    summary="DoG for each tensor by itself; leave lr at 1.",
    wrap=distance_wrapper("ldog", layerwise=True),
    space={"initial": INITIAL, "eps": EPS},
    proposed=False,
    references=("https://arxiv.org/abs/2302.12022",),
)
