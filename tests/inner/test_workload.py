import pytest

from metaopt.inner.forms import Vmapped, Wide
from metaopt.inner.layout import cut_where_decay_ends, is_spared_part, joined_where_decay_ends
from metaopt.inner.workload import GRADIENT_REPAYS, VMAPPED_REPAYS, WIDE_REPAYS, Workload, filling

RULE = object()
WIDE = Wide(RULE)
VMAPPED = Vmapped(RULE, cut_where_decay_ends, joined_where_decay_ends, is_spared_part)


def test_counts_alone_decide_what_is_compiled():
    assert Workload(GRADIENT_REPAYS, 0).compiles_gradient("auto")
    assert not Workload(GRADIENT_REPAYS - 1, 0).compiles_gradient("auto")
    assert Workload(0, WIDE_REPAYS).compiles_rule("auto", WIDE)
    assert not Workload(0, WIDE_REPAYS - 1).compiles_rule("auto", WIDE)
    assert Workload(0, VMAPPED_REPAYS).compiles_rule("auto", VMAPPED)
    assert not Workload(0, VMAPPED_REPAYS - 1).compiles_rule("auto", VMAPPED)


@pytest.mark.parametrize(("compile", "decision"), [("on", True), ("off", False)])
def test_on_and_off_are_not_asked_for_counts(compile, decision):
    for load in (Workload(0, 0), Workload(10**9, 10**9)):
        assert load.compiles_gradient(compile) is decision
        assert load.compiles_rule(compile, WIDE) is decision


def test_members_count_towards_a_gradient_where_they_fill_its_blocks():
    assert [filling(members) for members in (40, 48, 64, 70, 100, 128)] == [0, 48, 64, 0, 100, 128]
