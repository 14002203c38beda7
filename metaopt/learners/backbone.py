"""A model as what makes features: which part of it, with which weights, by whose statistics.

The features are what the part that is named puts out; without a name, what `model.features` does, and where there is no
such part, what the last linear layer is given: the model without its head.
"""

import copy
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _NormBase

from metaopt.contracts import BACKBONE, Tensors, give_shapes, is_unshaped
from metaopt.errors import InputError, MetaOptError, did_you_mean, named_line, quoted
from metaopt.pure_layers import FirstRows, batched, first_argument, output_layer, with_policy
from metaopt.tracing import vmap_obstacle

#: By whose statistics layers of batch norm normalise queries.
Statistics: TypeAlias = Literal["running", "support", "batch"]
#: In which precision the backbone computes what is worth it.
Precision: TypeAlias = Literal["float32", "bfloat16"]
#: Names of running statistics begin so: no gradient moves them.
RUNNING = "running."
#: The part that gives the features where nobody names one.
FEATURES = "features"


class _ReachedError(Exception):
    """The features are known: the rest of the model need not run."""


@final
class Backbone:
    """A copy of a model that gives features.

    Args:
        model: whose weights are taken over.
        inputs: a few examples, shape (n, …).
        part: the part that gives the features; see above.
        statistics: by whose statistics queries are normalised.
        precision: `"bfloat16"` for convolutions and matrix products in that, by autocast; features, and all that is
            compared and learned, stay as they are.

    Attributes:
        module: the copy.
        shape: of one example's features.
        is_transductive: whether the features of a query depend on the other queries.

    Raises:
        InputError: there is no such part, it gives something else than a tensor with a row for each example, or the
            model's own code fails.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Tensor,
        part: str | None,
        statistics: Statistics,
        precision: Precision = "float32",
    ) -> None:
        self.statistics, self.precision = statistics, precision
        self.module = copy.deepcopy(model) if statistics == "running" else with_policy(model, statistics)
        if is_unshaped(self.module):
            give_shapes(self.module, inputs)
        self._has_convolutions = any(isinstance(layer, nn.Conv2d) for layer in self.module.modules())
        self._layer, self._takes_output = self._found(part, inputs)
        self.module.eval()
        features = self._checked(inputs)
        self.shape = tuple(features.shape[1:])
        self._examples = inputs
        self._learned = self._reached(features)
        norms = [layer for layer in self.module.modules() if isinstance(layer, _NormBase)]
        self.is_transductive = (statistics == "batch" and self.has_batch_norm(model)) or any(
            not layer.track_running_stats
            for layer in norms
            if not isinstance(layer, nn.modules.instancenorm._InstanceNorm)
        )

    @staticmethod
    def has_batch_norm(model: nn.Module) -> bool:
        """Whether a layer of a model normalises by statistics over examples."""
        return any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in model.modules())

    @cached_property
    def loop_reason(self) -> str | None:
        """Why each episode goes through the model by itself, in one line; None if all of them may go together.

        What vmap cannot take may depend on the whole batch, such as an `if` on its mean. Then an episode must not see
        the others.
        """
        self.module.eval()
        with torch.no_grad(), batched():
            return vmap_obstacle(lambda inputs: self._run({}, inputs), self.module, self._examples)

    @property
    def weights(self) -> Tensors:
        """Its trained weights and the running statistics of its norms, by their names in theta."""
        params = {f"{BACKBONE}{name}": param.detach() for name, param in self._learned.items()}
        return {**params, **{f"{RUNNING}{name}": buffer for name, buffer in self._statistics().items()}}

    def features(
        self, theta: Mapping[str, Tensor], inputs: Tensor, *, training: bool = False, support: int | None = None
    ) -> tuple[Tensor, Tensors]:
        """Features of examples, and the running statistics afterwards.

        Args:
            theta: with the names of `weights`; what is absent is the module's own.
            inputs: shape (n, …).
            training: whether dropout acts, and batch norm normalises by the examples and remembers them.
            support: how many leading examples are a support set.
        """
        given = {name.removeprefix(BACKBONE): value for name, value in theta.items() if name.startswith(BACKBONE)}
        running = {name.removeprefix(RUNNING): value for name, value in theta.items() if name.startswith(RUNNING)}
        if training:  # torch writes running statistics in place
            running = {name: value.detach().clone() for name, value in running.items()}
        self.module.train(training)
        inputs, given = self._laid_out(inputs), {name: self._laid_out(value) for name, value in given.items()}
        if self.statistics == "support" and support is not None:
            with FirstRows(self.module, support):
                features = self._run({**given, **running}, inputs)
        else:
            features = self._run({**given, **running}, inputs)
        return features, {f"{RUNNING}{name}": value for name, value in running.items()}

    def _run(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        caught: list[Any] = []

        def take_output(layer: nn.Module, args: Any, output: Any) -> None:
            caught.append(output)
            if layer is not self.module:
                raise _ReachedError

        def take_input(layer: nn.Module, args: Any, kwargs: Any) -> None:
            caught.append(first_argument(args, kwargs))

        handle = (
            self._layer.register_forward_hook(take_output)
            if self._takes_output
            else self._layer.register_forward_pre_hook(take_input, with_kwargs=True)
        )
        try:
            with self._precise(inputs.device):
                functional_call(self.module, dict(tensors), (inputs,))
        except _ReachedError:
            pass
        finally:
            handle.remove()
        if not caught:
            raise InputError(f"The model does not pass through {self._shown}, whose output would be its features.")
        features: Tensor = caught[-1]
        if self.precision == "bfloat16" and isinstance(features, Tensor) and features.dtype == torch.bfloat16:
            return features.float()
        return features

    def _precise(self, device: torch.device) -> AbstractContextManager[object]:
        return torch.autocast(device.type, torch.bfloat16) if self.precision == "bfloat16" else nullcontext()

    def _laid_out(self, tensor: Tensor) -> Tensor:
        """Images and kernels with their channels last, where there are convolutions: these then take two thirds of it.

        `to` says so of one channel, too, where both layouts are one, and the first convolution would take the other.
        """
        if not self._has_convolutions or tensor.ndim != 4 or not tensor.is_floating_point():
            return tensor
        return tensor.to(memory_format=torch.channels_last)

    def _checked(self, inputs: Tensor) -> Tensor:
        """Features of the examples, which are a row for each."""
        try:
            with torch.enable_grad():
                features = self._run({}, inputs)
        except MetaOptError:
            raise
        except Exception as error:  # whatever a stranger's model raises
            raise InputError(
                f"The model fails at inputs of shape {tuple(inputs.shape)}: {named_line(error)}."
            ) from error
        if not isinstance(features, Tensor):
            raise InputError(
                f"Learners compare tensors, and {self._shown} gives {quoted(type(features).__name__)}; name a part of "
                "the model whose output is one (features=)."
            )
        if features.ndim < 2 or len(features) != len(inputs) or not features.is_floating_point():
            raise InputError(
                f"Learners compare features of examples, and {self._shown} gives {features.dtype!s} of shape "
                f"{tuple(features.shape)} for {len(inputs)} of them: it needs numbers in a row for each example; name "
                "another part of the model (features=)."
            )
        return features

    def _found(self, part: str | None, inputs: Tensor) -> tuple[nn.Module, bool]:
        """The layer to listen to, and whether its output counts or what it is given."""
        parts = dict(self.module.named_modules())
        name = FEATURES if part is None and isinstance(parts.get(FEATURES), nn.Module) else part
        if name is not None:
            if name not in parts:
                hint = did_you_mean(name, [known for known in parts if known], " {}")
                raise InputError(
                    f"The model has no part {quoted(name)} to take features from;{hint or ' name another'}."
                )
            self._shown = f"its part {name!r}" if name else "the model"
            return parts[name], True
        self.module.eval()
        try:
            with torch.no_grad():
                last = output_layer(self.module, {}, inputs, lambda layer: isinstance(layer, nn.Linear))
        except Exception as error:
            raise InputError(
                f"The model fails at inputs of shape {tuple(inputs.shape)}: {named_line(error)}."
            ) from error
        if last is None or not last.name:  # without a head, or nothing but one
            self._shown = "the model"
            return self.module, True
        self._shown = f"what its last linear layer {last.name!r} is given"
        return last.layer, False

    def _reached(self, features: Tensor) -> dict[str, Tensor]:
        """The trained parameters that the features depend on: those of a head are left out."""
        params = {name: param for name, param in self.module.named_parameters() if param.requires_grad}
        if not params or not features.requires_grad:
            return {}
        with torch.enable_grad():
            gradients = torch.autograd.grad(features.sum(), list(params.values()), allow_unused=True)
        return {
            name: param
            for (name, param), gradient in zip(params.items(), gradients, strict=True)
            if gradient is not None
        }

    def _statistics(self) -> Tensors:
        prefixes = {
            f"{name}." if name else "": layer
            for name, layer in self.module.named_modules()
            if isinstance(layer, _NormBase) and layer.track_running_stats
        }
        return {
            f"{prefix}{name}": buffer.detach()
            for prefix, layer in prefixes.items()
            for name, buffer in layer.named_buffers(recurse=False)
        }
