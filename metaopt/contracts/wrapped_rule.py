"""A rule around another one: the part that all wrappers share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from metaopt.contracts.rule import Granularity, Hparams, Rule, State, Tensors, Theta
from metaopt.errors import PluginError


@dataclass(frozen=True)
class WrappedRule(Rule):
    """Subclass it, say what `prefix` and `own_state` are, and write `update`.

    Its own state, of tensors and shared, lies beside the inner rule's under keys that begin with `prefix`, which is the
    wrapper's name and a dot, as its hyperparameters do.

    Args:
        inner: the rule to wrap.
    """

    inner: Rule

    #: Such as `"averaged."`.
    prefix: ClassVar[str] = ""

    @property
    def granularity(self) -> Granularity:  # type: ignore[override]
        """That of the inner rule."""
        return self.inner.granularity

    def own_state(self, params: Mapping[str, Tensor], hparams: Hparams) -> State:
        """What the wrapper remembers before the first step, by keys without the prefix."""
        return {"tensors": {name: {} for name in params}, "shared": {}}

    def init(self, params: Mapping[str, Tensor], hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """The inner rule's state and the wrapper's own."""
        return self.joined(self.inner.init(params, hparams, theta, horizon), self.own_state(params, hparams))

    def start(self, params: Mapping[str, Tensor], theta: Theta) -> Tensors:
        """The inner rule's learned initialisation."""
        return self.inner.start(params, theta)

    def evaluation_params(self, params: Mapping[str, Tensor], state: State, hparams: Hparams) -> Tensors:
        """What the inner rule evaluates with."""
        return self.inner.evaluation_params(params, self.split(state)[0], hparams)

    def split(self, state: State) -> tuple[State, State]:
        """The inner rule's state, and the wrapper's own by keys without the prefix.

        Raises:
            PluginError: the wrapper has no prefix, so that nothing tells the two apart.
        """
        if not self.prefix:
            raise PluginError(
                f"{type(self).__name__} has no prefix, which tells its state from that of the inner rule; say "
                'prefix = "….", the name of the wrapper and a dot.'
            )
        inner: State = {"tensors": {}, "shared": {}}
        own: State = {"tensors": {}, "shared": {}}
        for name, tensor_state in state["tensors"].items():
            inner["tensors"][name], own["tensors"][name] = self._parted(tensor_state)
        inner["shared"], own["shared"] = self._parted(state["shared"])
        return inner, own

    def joined(self, inner: State, own: State) -> State:
        """Inverse of `split`."""
        tensors = {
            name: {**inner["tensors"].get(name, {}), **self._prefixed(tensor_state)}
            for name, tensor_state in own["tensors"].items()
        }
        return {"tensors": tensors, "shared": {**inner["shared"], **self._prefixed(own["shared"])}}

    def _parted(self, tensor_state: Mapping[str, Tensor]) -> tuple[Tensors, Tensors]:
        inner: Tensors = {}
        own: Tensors = {}
        prefix = self.prefix
        for key, value in tensor_state.items():
            if key.startswith(prefix):
                own[key.removeprefix(prefix)] = value
            else:
                inner[key] = value
        return inner, own

    def _prefixed(self, tensor_state: Mapping[str, Tensor]) -> Tensors:
        return {f"{self.prefix}{key}": value for key, value in tensor_state.items()}
