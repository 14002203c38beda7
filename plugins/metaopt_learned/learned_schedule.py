"""A learned schedule around a hand-designed rule, meta-trained by evolution over whole trainings (see `scheduled`).

When to use it: around `nadamw` or `adamw` with `cosine`, when one setting shall serve trainings that differ much and
nobody tunes. It lowers the training loss; add a stopper against overfitting.
"""

from metaopt_learned._shared.scheduled import learned_wrapper

spec = learned_wrapper(
    "learned_schedule",
    "A small recurrent network steers rate and momentum, and says when it is enough.",
    max_ratio=30.0,
    estimator="pes",
    references=("https://arxiv.org/abs/2112.13835", "https://arxiv.org/abs/1703.04813"),
)
