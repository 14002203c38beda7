"""The network of `learned_schedule`, trained by reinforcement learning (see `scheduled`).

What it says is its action, noise on it the exploration, and the decrease of the log-loss of a step the reward (Xu et
al. 2017, 2019): a policy gradient within truncations of a training, which sees no further than that.
"""

from functools import partial

import metaopt
from metaopt_learned.schedule_network import init_theta
from metaopt_learned.scheduled import Scheduled, check, max_ratio, policy
from metaopt_learned.whole_training import shipped

spec = metaopt.WrapperSpec(
    name="hyper_controller",
    version="1",
    summary="A small recurrent network steers rate and momentum, trained by a policy gradient.",
    wrap=partial(Scheduled, name="hyper_controller"),
    space={"max_ratio": max_ratio(10.0)},
    requires=frozenset({"loss", "horizon"}),
    proposed=False,
    meta=metaopt.MetaTraining(
        init_theta=init_theta,
        estimator="reinforce",
        objective="log_trajectory",
        orders=("first",),
        clip=1.0,
        space={"hidden_size": metaopt.Int(2, 16, log=True, default=6, valid="[1, inf)")},
        truncation=50,
        policy=policy("hyper_controller"),
        check=partial(check, "hyper_controller"),
        shipped=partial(shipped, "hyper_controller"),
    ),
    references=("https://arxiv.org/abs/1705.11159", "https://arxiv.org/abs/1909.09712"),
)
