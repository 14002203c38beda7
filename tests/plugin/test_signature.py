"""A class's signature tells its hyperparameters, and what of them tuning may propose."""

from collections.abc import Iterable
from typing import Literal

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from metaopt.errors import PluginError
from metaopt.plugin.signature import signature_of, step_needs_closure
from metaopt.space import Categorical, Float, Int


class Many(Optimizer):
    def __init__(
        self,
        params,
        needed: float,
        lr: float = 1e-2,
        final_lr: float = 0.1,
        betas: tuple[float, float] = (0.9, 1.0),
        nus: tuple[float, float] = (0.7, 1.0),
        steps: tuple[int, ...] = (2, 3),
        eps: float = 1e-8,
        eps2: float = 0.0,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        rank: int = 4,
        power: float = -0.5,
        growth: float = float("inf"),
        cautious: bool = True,
        mode: Literal["a", "b"] = "b",
        kind: str = "plain",
        bound: float | None = None,
        foreach: bool | None = None,
        maximize: bool = False,
        **kwargs,
    ):
        super().__init__(params, {})


SPACE = signature_of(Many).space


def test_rates_small_numbers_and_decay_are_tuned_on_a_log_scale_around_their_defaults():
    assert SPACE["lr"] == Float(1e-4, 1.0, log=True, default=1e-2, valid="[0, inf)")
    assert SPACE["final_lr"] == Float(1e-3, 10.0, log=True, default=0.1, valid="[0, inf)")
    assert SPACE["eps"] == Float(1e-10, 1e-6, log=True, default=1e-8, valid="[0, inf)")
    assert SPACE["weight_decay"] == Float(1e-5, 0.1, log=True, default=0.0, valid="[0, inf)")


def test_numbers_of_a_tuple_are_numbered_and_factors_stay_below_one():
    packs = signature_of(Many).packs
    assert packs["betas"] == ("beta1", "beta2")
    assert packs["nus"] == ("nu1", "nu2")
    assert packs["steps"] == ("step1", "step2")
    assert SPACE["beta1"] == Float(0.5, 0.98, default=0.9, valid="[0, 1)")
    assert 1.0 in SPACE["beta2"].domain  # its own default, which no factor below one is
    assert SPACE["step1"] == Int(2, 2, default=2, valid="(-inf, inf)")


def test_a_pair_of_eps_keeps_its_name_whole():
    class Paired(torch.optim.Optimizer):
        def __init__(self, params, lr=0.1, eps=(1e-30, 1e-3), factor_eps=(1e-8, 1e-6)):
            super().__init__(params, {"lr": lr})

    read = signature_of(Paired)
    assert read.packs == {"eps": ("eps1", "eps2"), "factor_eps": ("factor_eps1", "factor_eps2")}
    assert (read.space["eps1"].default, read.space["eps1"].valid) == (1e-30, "[0, inf)")


@pytest.mark.parametrize(
    ("name", "default"), [("eps2", 0.0), ("momentum_decay", 4e-3), ("rank", 4), ("power", -0.5), ("nu1", 0.7)]
)
def test_what_nobody_knows_the_meaning_of_is_not_tuned_and_may_be_any_number(name, default):
    distribution = SPACE[name]
    assert distribution.low == distribution.high == distribution.default == default
    assert -3 in distribution.domain


def test_truth_values_and_strings_of_a_literal_are_choices_of_which_tuning_proposes_the_default():
    assert SPACE["cautious"] == Categorical((False, True), default=True, proposed=(True,))
    assert SPACE["mode"] == Categorical(("a", "b"), default="b", proposed=("b",))


def test_what_says_nothing_or_is_no_hyperparameter_is_left_to_the_class():
    assert not {"growth", "kind", "bound", "foreach", "maximize", "kwargs", "params"} & SPACE.keys()
    assert signature_of(Many).needed == ("needed",)
    assert signature_of(Many).is_open


def test_an_integer_default_of_a_real_number_is_real():
    space = signature_of(torch.optim.SGD).space  # weight_decay: float = 0, momentum: float = 0
    assert isinstance(space["weight_decay"], Float)
    assert isinstance(space["momentum"], Float)


def of(**arguments):
    """A class whose __init__ takes these arguments, by name, with these annotations."""

    class Mine(Optimizer):
        pass

    text = ", ".join(f"{name}: annotations['{name}']" for name in arguments)
    scope = {"annotations": arguments}
    exec(f"def __init__(self, {text}, lr=1e-3): ...", scope)
    Mine.__init__ = scope["__init__"]
    return Mine


@pytest.mark.parametrize("arguments", [{"model": None}, {"net": nn.Module}, {"params": list, "net": nn.Module | None}])
def test_a_class_that_wants_the_model_is_refused(arguments):
    with pytest.raises(PluginError, match=r"Mine takes the model as its argument '(model|net)', and metaopt hands"):
        signature_of(of(**arguments))


@pytest.mark.parametrize("arguments", [{"optimizer": None}, {"base": type[Optimizer] | Optimizer}])
def test_a_class_around_an_optimizer_is_refused(arguments):
    with pytest.raises(PluginError, match=r"Mine goes around another optimizer, its argument '(optimizer|base)'"):
        signature_of(of(**arguments))


def test_a_class_that_takes_parameters_too_is_not():
    assert "lr" in signature_of(of(optimizer=type[Optimizer] | Iterable[torch.Tensor])).space


def test_a_class_without_parameters_is_told_to_take_some():
    class Mine(Optimizer):
        def __init__(self, **kwargs): ...

    with pytest.raises(
        PluginError, match=r"Mine does not say that it takes parameters: write `def __init__\(self, par"
    ):
        signature_of(Mine)


def test_a_step_without_a_default_for_its_closure_needs_one():
    assert step_needs_closure(torch.optim.LBFGS)
    assert not step_needs_closure(torch.optim.SGD)
