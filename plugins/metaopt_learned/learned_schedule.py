"""A learned schedule around a hand-designed rule, meta-trained by evolution over whole trainings (see `scheduled`)."""

from functools import partial

import metaopt
from metaopt_learned.schedule_network import init_theta
from metaopt_learned.scheduled import Scheduled, check, max_ratio
from metaopt_learned.whole_training import shipped

spec = metaopt.WrapperSpec(
    name="learned_schedule",
    version="1",
    summary="A small recurrent network steers rate and momentum, and says when it is enough.",
    wrap=partial(Scheduled, name="learned_schedule"),
    space={"max_ratio": max_ratio(30.0)},
    requires=frozenset({"loss", "horizon"}),
    proposed=False,
    meta=metaopt.MetaTraining(
        init_theta=init_theta,
        estimator="pes",
        objective="log_trajectory",
        orders=("first",),
        clip=1.0,
        space={"hidden_size": metaopt.Int(2, 16, log=True, default=6, valid="[1, inf)")},
        truncation=50,
        check=partial(check, "learned_schedule"),
        shipped=partial(shipped, "learned_schedule"),
    ),
    references=("https://arxiv.org/abs/2112.13835", "https://arxiv.org/abs/1703.04813"),
)
