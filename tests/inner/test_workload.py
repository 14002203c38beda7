import dataclasses

import pytest
import torch
from torch import nn

from metaopt.inner import Graphs
from metaopt.inner.gradients.vmapped import VmappedTask
from metaopt.inner.workload import DEAR, GRADIENT_REPAYS, RULE_REPAYS, Plan, Workload, apart, filling


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


def test_a_dear_model_has_no_idle_rows(task):
    cheap = task(lambda: nn.Linear(64, 10), dtype=torch.float32)
    vmapped = VmappedTask(cheap, cheap.build(0))
    plan = Plan(False, "off", Workload(0, 0), Graphs())
    steps = -(-DEAR // (cheap.batch_size * 2 * 64 * 10))
    for members, cheap_rows in ((1, 8), (8, 8), (9, 16)):
        assert plan.rows(cheap, vmapped, members, "replayed") == cheap_rows
        dear = dataclasses.replace(cheap, num_steps=steps)
        assert plan.rows(dear, vmapped, members, "replayed") == members
        almost = dataclasses.replace(cheap, num_steps=steps - 1)
        assert plan.rows(almost, vmapped, members, "replayed") == cheap_rows
        assert plan.rows(dear, vmapped, members, "compiled") == 64


def test_members_of_a_dear_training_train_in_parts_of_like_size(task):
    cheap = task(lambda: nn.Linear(64, 10), dtype=torch.float32)
    dear = dataclasses.replace(cheap, num_steps=-(-DEAR // (cheap.batch_size * 2 * 64 * 10)))
    graphs = Graphs()
    assert apart(cheap, 40, graphs) == [40]
    parts = {count: apart(dear, count, graphs) for count in range(1, 65)}
    assert [parts[count] for count in (1, 8, 9, 33, 40)] == [[1], [8], [5, 4], [7, 7, 7, 6, 6], [8] * 5]
    for count, sizes in parts.items():
        assert sum(sizes) == count
        for done in set(sizes) if len(sizes) > 1 else ():  # what is left after a kill trains in the parts it had
            assert sorted([*parts[count - done], done]) == sorted(sizes)
