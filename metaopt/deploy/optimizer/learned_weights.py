"""Learned rules before their first step: which weights they have, and what they cannot work with."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from metaopt.configuration import Assembly
from metaopt.contracts import Float32ByDefault, Theta
from metaopt.deploy.optimizer.parameters import Group, tensors_of
from metaopt.errors import InputError, MetaOptError, named_line, quoted
from metaopt.shards import any_true, local


@Float32ByDefault()
def check_learned(assembly: Assembly, theta: Theta | None, groups: list[Group]) -> None:
    """Check a learned rule's weights and what it shall train; hand-designed rules are not looked at.

    Raises:
        InputError: the weights are not the rule's, of another dtype or not finite, or a parameter is not finite, or
            parameters lie on several devices.
    """
    if assembly.learned is None or assembly.meta is None or theta is None:
        return
    meta, name = assembly.meta, assembly.learned.name
    params = tensors_of(groups)
    _check_dtypes(name, theta, params)
    broken = sorted(key for key, weights in theta.items() if not bool(torch.isfinite(weights).all()))
    if broken:
        raise InputError(
            f"The weights {quoted(broken[0])} of {name!r} hold numbers that are not finite; load other weights."
        )
    if meta.check is not None:
        _check_by(meta.check, theta, name)
    devices = sorted({str(param.device) for param in params})
    if len(devices) > 1:
        raise InputError(
            f"The parameters lie on {', '.join(devices)}, but {name!r} looks at all of them together; move the model "
            "to one device, or make an optimizer for each."
        )
    for param in params:
        if not param.is_meta and any_true([~torch.isfinite(local(param.detach()))], [param]):
            raise InputError(
                f"A parameter of shape {tuple(param.shape)} holds numbers that are not finite before the first step; "
                "initialise it again."
            )


def _check_by(check: Callable[[Theta], None], theta: Theta, name: str) -> None:
    try:
        check(theta)
    except MetaOptError:
        raise
    except Exception as error:  # a check of shapes may itself trip over shapes
        raise InputError(
            f"The weights are not those of {name!r}: checking them raised {named_line(error)}; load other weights."
        ) from error


def _check_dtypes(name: str, theta: Theta, params: Sequence[Tensor]) -> None:
    """Rules compute in float32, or in float64 on parameters of float64."""
    allowed = {torch.float32} | {param.dtype for param in params if param.dtype == torch.float64}
    for key in sorted(theta):
        if theta[key].dtype not in allowed:
            raise InputError(
                f"The weights {quoted(key)} of {name!r} are {str(theta[key].dtype).removeprefix('torch.')}, and a "
                "learned rule takes float32: convert them, or load other weights."
            )


@Float32ByDefault()
def weights_of(assembly: Assembly, theta: Theta | None) -> Theta | None:
    """`theta`, or the weights that ship with the rule if there are none."""
    meta = assembly.meta
    if theta is None and meta is not None and meta.shipped is not None:
        return meta.shipped()
    return theta
