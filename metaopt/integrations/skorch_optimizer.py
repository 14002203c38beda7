"""What stands in for a skorch net's optimizer while a run trains it: one group, and one state for all of the run."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, final

from skorch import NeuralNet
from torch import Tensor, nn
from torch.optim import Optimizer

from metaopt.deploy import Run
from metaopt.errors import InputError
from metaopt.integrations.training_point import end_fit, module_of, tensors_of, train_on, training_weights

#: The entry of a param group that holds the state; a group of the optimizer that skorch makes by default keeps it too.
_RECIPE = "recipe"
_WEIGHTS = "training_weights"


@final
class NetOptimizer(Optimizer):
    """The `optimizer_` of a net that a recipe trains. Its step is that of the run's optimizer, then of its controller.

    `state_dict` has all of the run: the optimizer's state, controller, stopper, best weights and the weights to train
    on from. It loads into any optimizer of one group over the same parameters, so that `net.load_params` finds it
    before the first fit; copies and pickles of a net have it as well.

    Args:
        params: all that the net trains.

    Attributes:
        run: the run, from the first epoch of a fit on; None before, and in copies.
        pending: a state to go on from once a run is bound, or None.
    """

    def __init__(self, params: list[Tensor]) -> None:
        self.run: Run | None = None
        self.pending: Mapping[str, Any] | None = None
        self._params = params
        self._evaluation = ExitStack()
        self._replaced: dict[str, Tensor] | None = None
        self._left: dict[str, int] = {}
        super().__init__(params, {})

    @classmethod
    def of(cls, net: NeuralNet) -> "NetOptimizer":
        """That of a net, in place of another: with the state that was loaded into the other."""
        params, other = [param for _, param in net.get_all_learnable_params()], net.optimizer_
        if isinstance(other, cls) and [*map(id, other._params)] == [*map(id, params)]:
            return other
        own = cls(params)
        own.pending = other.pending if isinstance(other, cls) else other.param_groups[0].get(_RECIPE)
        return own

    def train_with(self, run: Run) -> None:
        """Take the steps of a run, from the state that was loaded if there is one."""
        self.run = run
        self.param_groups = run.optimizer.param_groups
        self._load_pending()

    def train_on(self) -> None:
        """Go on after `end`, from the weights that it replaced, unless somebody has put others in since."""
        if self.run is None or self._replaced is None:
            return
        replaced, self._replaced = self._replaced, None
        model = module_of(self.run)
        untouched = self._left == _versions(model)
        train_on(self.run, self.run.observations(), replaced if untouched else {})

    def end(self, *, restore_best: bool, monitor: str) -> None:
        """Leave in the net what it is to be used with; see `end_fit`."""
        self.train()
        if self.run is not None and self._replaced is None:
            self._replaced = end_fit(self.run, restore_best=restore_best, monitor=monitor)
            self._left = _versions(module_of(self.run))

    def eval(self) -> None:
        """Put averages in, until `train`."""
        if self.run is not None and not self.run.is_evaluating:
            self._evaluation.enter_context(self.run.evaluating())

    def train(self) -> None:
        """Put the training weights back."""
        self._evaluation.close()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of the run's optimizer, then of its controller."""
        if self.run is None:
            raise InputError("The net's recipe is bound in a fit: call net.fit(X, y), or net.partial_fit(X, y).")
        returned = self.run.optimizer.step(closure)
        self.run.scheduler.step()
        return returned

    def state_dict(self) -> dict[str, Any]:
        """All of the run, in a form that an optimizer of one group takes."""
        numbers = list(range(len(self._params)))
        return {"state": {}, "param_groups": [{"params": numbers, _RECIPE: self._recipe_state()}]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`; in a fit at once, else from its first epoch.

        Raises:
            InputError: it is the state of another optimizer.
        """
        saved = state_dict["param_groups"][0].get(_RECIPE)
        if saved is None:
            raise InputError(
                "This is the state of another optimizer, not of a net that RecipeCallback trained: load the state that "
                "such a net saved, or leave f_optimizer out."
            )
        self.pending = saved
        self._load_pending()

    def __getstate__(self) -> dict[str, Any]:
        return {"param_groups": [{"params": self._params}], "pending": self._recipe_state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        fresh = NetOptimizer(state["param_groups"][0]["params"])
        self.__dict__.update(vars(fresh), pending=state["pending"])

    def _recipe_state(self) -> Mapping[str, Any] | None:
        run = self.run
        if run is None or self.pending is not None:
            return self.pending
        evaluates = run.is_evaluating
        self.train()
        weights = training_weights(run) if self._replaced is None else self._replaced
        parts = {"optimizer": run.optimizer.state_dict(), "scheduler": run.scheduler.state_dict()}
        state = {**parts, **run.observations(), _WEIGHTS: weights}
        if evaluates:
            self.eval()
        return state

    def _load_pending(self) -> None:
        if self.run is None or self.pending is None:
            return
        pending, self.pending, self._replaced = self.pending, None, None
        self.train()
        self.run.load_state_dict({key: value for key, value in pending.items() if key != _WEIGHTS})
        self.param_groups = self.run.optimizer.param_groups  # which loading makes anew
        train_on(self.run, self.run.observations(), pending[_WEIGHTS])


def _versions(model: nn.Module) -> dict[str, int]:
    """How often each tensor of a module was written."""
    return {name: value._version for name, value in tensors_of(model).items()}
