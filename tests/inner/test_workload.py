import pytest

from metaopt.inner.workload import GRADIENT_REPAYS, RULE_REPAYS, Workload, filling


def test_counts_alone_decide_what_is_compiled():
    assert Workload(GRADIENT_REPAYS, 0).compiles_gradient("auto")
    assert not Workload(GRADIENT_REPAYS - 1, 0).compiles_gradient("auto")
    assert Workload(0, RULE_REPAYS).compiles_rule("auto", "adamw")
    assert not Workload(0, RULE_REPAYS - 1).compiles_rule("auto", "adamw")


def test_a_rule_that_the_counts_are_not_about_is_not_compiled():
    load = Workload(0, RULE_REPAYS, frozenset({"adamw"}))
    assert load.compiles_rule("auto", "adamw")
    assert not load.compiles_rule("auto", "prodigy")
    assert load.compiles_rule("on", "prodigy")


@pytest.mark.parametrize(("compile", "decision"), [("on", True), ("off", False)])
def test_on_and_off_are_not_asked_for_counts(compile, decision):
    for load in (Workload(0, 0), Workload(10**9, 10**9)):
        assert load.compiles_gradient(compile) is decision
        assert load.compiles_rule(compile, "adamw") is decision


def test_members_count_towards_a_gradient_where_they_fill_its_blocks():
    assert [filling(members) for members in (40, 48, 64, 70, 100, 128)] == [0, 48, 64, 0, 100, 128]
