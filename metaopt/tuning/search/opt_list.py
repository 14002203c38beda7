"""Entries of `opt_list.json`, the learned list of Metz et al. (2020), as configurations.

Each entry is a whole recipe: NAdamW with its hyperparameters, warm-up, constant rate and cosine decay. They map onto
the plugins `metz_nadamw` and `warmup_hold_cosine`, which compute what the TensorFlow original does, also where the
ports and torch's own classes differ: ε without bias correction, the sign of the L2 term, a warm-up over the shorter of
`warmup` and `constant` instead of the longer. All parameters decay, as there. No entry is left out.

Source: "Using a thousand optimization tasks to learn hyperparameter search strategies", https://arxiv.org/abs/2002.11887
"""

from collections.abc import Mapping
from typing import Any

from metaopt.configuration import Configuration
from metaopt.errors import InputError, bracketed

#: Their names and ours.
_HPARAMS = {
    "learning_rate": "metz_nadamw.lr",
    "beta1": "metz_nadamw.beta1",
    "beta2": "metz_nadamw.beta2",
    "epsilon": "metz_nadamw.eps",
    "use_nesterov": "metz_nadamw.nesterov",
    "adamw_weight_decay": "metz_nadamw.weight_decay",
    "l2_weight_decay": "metz_nadamw.l2",
    "warmup_fraction": "warmup_hold_cosine.warmup",
    "constant_fraction": "warmup_hold_cosine.hold",
    "min_learning_rate_mult": "warmup_hold_cosine.final_ratio",
}


def is_entry(document: Mapping[str, Any]) -> bool:
    """Whether a JSON object looks like an entry of opt_list."""
    return "learning_rate" in document and "optimizer" not in document


def configuration_of(document: Mapping[str, Any]) -> Configuration:
    """The configuration that an entry names.

    Raises:
        InputError: it has other fields than the entries of opt_list.
    """
    missing, further = sorted({*_HPARAMS} - {*document}), sorted({*document} - {*_HPARAMS})
    if missing or further:
        raise InputError(
            f"an entry of opt_list has the fields {sorted(_HPARAMS)}, this one lacks {bracketed(missing, 10)} and "
            f"adds {bracketed(further, 3)}"
        )
    hparams = {ours: document[theirs] for theirs, ours in _HPARAMS.items()}
    return Configuration("metz_nadamw", "warmup_hold_cosine", hparams=hparams, no_decay="none")
