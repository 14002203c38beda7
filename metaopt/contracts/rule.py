"""The contract of an optimizer: one pure function over named tensors, written once."""

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias, TypedDict, runtime_checkable

from torch import Tensor

from metaopt.contracts.step_info import StepInfo
from metaopt.errors import PluginError, quoted

#: What an update of one number may depend on; see `Rule`.
Granularity: TypeAlias = Literal["coordinate", "tensor", "sums", "tree"]
#: Tensors by name that a function returns: updates, parameters.
Tensors: TypeAlias = dict[str, Tensor]
#: Tensors by name that a function is given and leaves alone: parameters, gradients, state.
Params: TypeAlias = Mapping[str, Tensor]
#: Learned weights by name; empty for what learns nothing.
Theta: TypeAlias = Mapping[str, Tensor]
#: 0-d tensors by hyperparameter: those of one tensor, or of a controller.
TensorHparams: TypeAlias = Mapping[str, Tensor]
#: The same for each parameter's name.
Hparams: TypeAlias = Mapping[str, TensorHparams]
#: What is remembered between steps by key: for one tensor, or by a controller.
TensorState: TypeAlias = dict[str, Tensor]


class State(TypedDict):
    """What a rule remembers between steps: plain dicts of tensors, so that every torch loader takes it.

    Keys:
        tensors: for each parameter's name, its own state by key.
        shared: state common to all parameters by key.
    """

    tensors: dict[str, dict[str, Tensor]]
    shared: dict[str, Tensor]


@runtime_checkable
class Rule(Protocol):
    """An optimizer as pure functions: no in-place writes, no `.item()`, no `if` on a tensor's value.

    Subclass it to inherit `start` and `evaluation_params`; most rules act on one tensor at a time and are
    made with `metaopt.per_tensor` instead.

    Attributes:
        granularity: `"coordinate"` if each number's update depends on that number's own history alone (the
            engine may then lay tensors end to end), `"tensor"` if on its tensor's, `"sums"` if on sums over the numbers
            of all tensors beside its own history (they may be laid end to end too), `"tree"` if on all.
    """

    granularity: Granularity

    def init(self, params: Mapping[str, Tensor], hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """State before the first step, for all parameters or a subset (`add_param_group`).

        Args:
            params: parameters by name, any shapes.
            hparams: for each name, 0-d tensors by hyperparameter.
            theta: learned weights by name; empty for hand-designed rules.
            horizon: planned number of steps, 0-d, or None where the host does not know it.
        """
        ...

    def update(
        self,
        grads: Mapping[str, Tensor],
        state: State,
        params: Mapping[str, Tensor],
        hparams: Hparams,
        theta: Theta,
        info: StepInfo,
    ) -> tuple[Tensors, State]:
        """One step.

        Args:
            grads: gradients by name; names may be missing (no gradient this step).
            state: as returned by `init` or the last `update`.
            params: current parameters by name.
            hparams: for each name, 0-d tensors by hyperparameter.
            theta: learned weights by name.
            info: step count, horizon, loss and the signals that the plugin requires.

        Returns:
            What to *add* to each parameter that has a gradient, and the new state with unchanged keys,
            shapes and dtypes.
        """
        ...

    def start(self, params: Mapping[str, Tensor], theta: Theta) -> Tensors:
        """Learned initialisation; `params` themselves unless the rule learned one."""
        return dict(params)

    def evaluation_params(self, params: Mapping[str, Tensor], state: State, hparams: Hparams) -> Tensors:
        """Parameters to evaluate with; `params` themselves unless the rule averages its iterates."""
        return dict(params)


def empty_state() -> State:
    """A state that holds nothing."""
    return {"tensors": {}, "shared": {}}


def in_order(new: State, old: State) -> State:
    """The new state with all keys in the old one's order: the order in which a rule fills its dicts means nothing.

    Raises:
        PluginError: the states have not the same keys.
    """
    # Compiled rules run this too, and not every torch can compile a difference of keys.
    unknown = sorted([name for name in new["tensors"] if name not in old["tensors"]])
    if unknown:
        raise PluginError(f"update returned state for {quoted(unknown[0])}, which init made no state for.")
    tensors = {name: keys_in_order(new["tensors"].get(name, {}), own) for name, own in old["tensors"].items()}
    return {"tensors": tensors, "shared": keys_in_order(new["shared"], old["shared"])}


def keys_in_order(new: Mapping[str, Tensor], old: Mapping[str, Tensor]) -> Tensors:
    """One tensor's new state, or the shared one, with its keys in the old one's order.

    Raises:
        PluginError: it has other keys.
    """
    if new.keys() != old.keys():
        raise PluginError(
            f"update returned the state keys {_braced(new)}, init made {_braced(old)}; return each key of init's, and "
            "no others."
        )
    return {key: new[key] for key in old}


def _braced(keys: Mapping[str, Tensor]) -> str:
    shown = ", ".join(sorted(keys))
    return "{" + (shown if len(shown) <= 80 else f"{shown[:79]}…") + "}"
