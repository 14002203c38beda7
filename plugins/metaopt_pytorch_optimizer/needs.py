"""What the signatures of these classes do not tell."""

from collections.abc import Mapping
from typing import Any

import metaopt

#: Classes whose first argument is the model: they cannot be handed parameters.
OF_MODELS = frozenset({"AdaLOMO", "AdamMini", "LOMO"})

#: Param groups must say which of them hold the matrices, that are orthogonalised; the rest gets an AdamW of its own.
_MUON = {"matrix_entry": "use_muon"}
#: The gradient is differentiated for an estimate of the Hessian's diagonal.
_HESSIAN = {"needs_graph": True}
#: `lr` is a factor of a distance that they estimate themselves.
_PARAMETER_FREE = {"sets_rate": True, "lr": metaopt.Float(0.1, 10.0, log=True, default=1.0, valid="[0, inf)")}

#: Keywords of `metaopt.optimizer_spec`, by class.
NEEDS: Mapping[str, Mapping[str, Any]] = {
    "AdaGO": _MUON,
    "AdaHessian": _HESSIAN,
    "AdaMuon": _MUON,
    "AliG": {"takes_closure": True},
    # The number of training examples, which scales the noise of its weights.
    "BSAM": {"takes_closure": True, "num_data": metaopt.Int(1000, 1000, default=1000, valid="[1, inf)")},
    "DAdaptAdaGrad": _PARAMETER_FREE,
    "DAdaptAdam": _PARAMETER_FREE,
    "DAdaptAdan": _PARAMETER_FREE,
    "DAdaptLion": _PARAMETER_FREE,
    "DAdaptSGD": _PARAMETER_FREE,
    "DistributedMuon": _MUON,
    "Muon": _MUON,
    "MuonClip": _MUON,
    "NorMuon": _MUON,
    "Prodigy": _PARAMETER_FREE,
    # The planned number of steps, for the warm-up and the decay that it has inside.
    "Ranger21": {"num_iterations": metaopt.Int(1000, 1000, default=1000, valid="[1, inf)")},
    "SophiaH": _HESSIAN,
    "SpectralSphere": {"takes": "matrices"},
}

#: Classes that step parameters of which each rank holds a part as whole ones; a test holds each of them to it.
SHARDED = frozenset(
    {
        "AccSGD",
        "AdaBelief",
        "AdaBound",
        "AdaDelta",
        "Adai",
        "Adam",
        "AdaMax",
        "AdamC",
        "AdamG",
        "AdaMod",
        "AdamS",
        "AdaMuon",
        "AdamW",
        "AdamWSN",
        "AdaPNM",
        "AdaShift",
        "AdEMAMix",
        "AggMo",
        "Amos",
        "Ano",
        "APOLLO",
        "BCOS",
        "DualAdam",
        "EmoLynx",
        "EmoNavi",
        "EXAdam",
        "Fira",
        "FOCUS",
        "Fromage",
        "GaLore",
        "Grams",
        "GrokFastAdamW",
        "Kate",
        "LaProp",
        "Lion",
        "MSVAG",
        "Muon",
        "MuonClip",
        "NAdam",
        "Nero",
        "PAdam",
        "PID",
        "PNM",
        "QHAdam",
        "QHM",
        "RAdam",
        "RMSprop",
        "ScalableShampoo",
        "ScheduleFreeAdamW",
        "ScheduleFreeRAdam",
        "ScheduleFreeSGD",
        "SGD",
        "SGDSaI",
        "SGDW",
        "SignSGD",
        "SimplifiedAdEMAMix",
        "Tiger",
        "VSGD",
        "Yogi",
    }
)
