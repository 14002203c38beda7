"""What people use otherwise, at the defaults of the plugins: shared by all commands that train recipes beside it."""

from metaopt import Configuration

#: Share of the steps over which a rate rises where a peer warms up.
WARMUP = 0.05


def adamw_cosine(lr: float) -> Configuration:
    """AdamW at a peak rate, with a linear warm-up and a cosine to zero."""
    return Configuration("adamw", "cosine", hparams={"adamw.lr": lr, "cosine.warmup": WARMUP})


def warmed_up(optimizer: str) -> Configuration:
    """An optimizer at its defaults, whose rate rises and stays."""
    return Configuration(optimizer, "cosine", hparams={"cosine.warmup": WARMUP, "cosine.final_ratio": 1.0})


ADAMW = "AdamW 1e-3"
SCHEDULE_FREE = "Schedule-Free, 5 % warm-up"
PEERS = {
    ADAMW: Configuration("adamw", "constant", hparams={"adamw.lr": 1e-3}),
    "AdamW 1e-3, warm-up and cosine": adamw_cosine(1e-3),
    "Schedule-Free": Configuration("schedulefree_adamw", "constant"),
    SCHEDULE_FREE: warmed_up("schedulefree_adamw"),
    "Prodigy": Configuration("prodigy", "constant"),
}
