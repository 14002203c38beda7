"""A rule behind an optimizer, in a library's class and in a file is the rule."""

import pytest

import metaopt
from metaopt.testing import ConformanceError, NotApplicable
from metaopt.testing.rules.shells import CHECKS, native_equals_rule, packs_into_groups
from metaopt.testing.rules.subject import DESCENT, Subject


def subject(native=None, **fields):
    return Subject(
        metaopt.OptimizerSpec(name="mine", version="1", rule=DESCENT.rule, space=DESCENT.space, native=native, **fields)
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_descent_is_the_same_in_every_shell(check):
    check(subject(metaopt.Native(module="torch.optim", qualname="SGD")))


def test_without_a_librarys_class_there_is_nothing_to_compare():
    with pytest.raises(NotApplicable):
        native_equals_rule(subject())


@pytest.mark.parametrize(
    ("native", "message"),
    [
        (metaopt.Native(module="torch.optim", qualname="Adagrad"), "Step 0, the native class with"),
        (
            metaopt.Native(module="torch.optim", qualname="SGD", fixed={"momentum": 0.5}),
            "Step 1, the native class with",
        ),
        (metaopt.Native(module="torch.optim", qualname="SDG"), "torch.optim has no 'SDG'; did you mean 'SGD'?"),
        (metaopt.Native(module="torch.optimm", qualname="SGD"), "correct module='torch.optimm'"),
    ],
)
def test_another_class_is_caught(native, message):
    with pytest.raises(ConformanceError) as raised:
        native_equals_rule(subject(native))
    assert message in raised.value.message


def test_a_group_that_overwrites_its_parameters_is_caught():
    with pytest.raises(ConformanceError, match="may not be called 'params', which is torch's"):
        packs_into_groups(subject(packs={"params": ("lr",)}))
    packs_into_groups(subject(packs={"rates": ("lr",)}))
