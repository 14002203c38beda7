"""The network of `learned_schedule`, trained by reinforcement learning (see `scheduled`).

What it says is its action, noise on it the exploration, and the decrease of the log-loss of a step the reward (Xu et
al. 2017, 2019): a policy gradient within truncations of a training, which sees no further than that.

When to use it: to compare a policy gradient with evolution on the same network. For training models, `learned_schedule`
scored better on every measure here.
"""

from metaopt_learned._shared.scheduled import learned_wrapper

spec = learned_wrapper(
    "hyper_controller",
    "A small recurrent network steers rate and momentum, trained by a policy gradient.",
    max_ratio=10.0,
    estimator="reinforce",
    references=("https://arxiv.org/abs/1705.11159", "https://arxiv.org/abs/1909.09712"),
)
