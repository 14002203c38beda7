"""From a configuration that names a learner to an assembly: nothing in it trains a model step by step."""

from collections.abc import Mapping
from typing import Literal, final

from torch import Tensor

from metaopt.configuration.assembly import Assembly
from metaopt.configuration.configuration import Configuration, by_owner
from metaopt.contracts import Hparams, Rule, State, StepInfo, Tensors, Theta, empty_state
from metaopt.plugin import ControllerSpec, LearnerSpec, OptimizerSpec, Registry
from metaopt.space import resolve


@final
class _Untrained(Rule):
    """Leaves every parameter as it is."""

    granularity: Literal["tensor"] = "tensor"

    def init(
        self, params: Mapping[str, Tensor], hparams: Hparams, theta: Theta, horizon: Tensor | None = None
    ) -> State:
        """No state."""
        return empty_state()

    def update(
        self,
        grads: Mapping[str, Tensor],
        state: State,
        params: Mapping[str, Tensor],
        hparams: Hparams,
        theta: Theta,
        info: StepInfo,
    ) -> tuple[Tensors, State]:
        """No updates."""
        return {name: grad * 0 for name, grad in grads.items()}, state


#: What stands where other configurations have an optimizer.
_UNTRAINED = OptimizerSpec(name="none", version="1", rule=_Untrained())


def assemble_learner(configuration: Configuration, registry: Registry) -> Assembly:
    """Find the learner and check its hyperparameters; raises what `assemble` raises."""
    learner = registry.get(LearnerSpec, configuration.learner)
    stated = by_owner(configuration.hparams, [learner])
    return Assembly(
        configuration=configuration,
        optimizer=_UNTRAINED,
        wrappers=(),
        controller=registry.get(ControllerSpec, "constant"),
        rule_values={},
        controller_values={},
        meta_values=resolve(learner.full_space, stated[learner.name], learner.name),
        learner=learner,
    )
