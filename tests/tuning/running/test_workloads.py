"""What is compiled follows from a study's first arguments."""

import dataclasses

import pytest

import metaopt
from metaopt.configuration.configuration import assemble
from metaopt.errors import InputError
from metaopt.inner import Workload
from metaopt.tuning.judging.held_out import Fold
from metaopt.tuning.running import evaluator as evaluators
from metaopt.tuning.running.workloads import populations, workloads
from metaopt.tuning.search.joint_space import joint_space


def test_counts_are_those_of_the_race_the_finalists_and_the_comparison(make_tasks, registry):
    tasks = make_tasks(6, num_steps=20)
    space = joint_space(registry, optimizers=["sgd"], wrappers=[])
    found = workloads(tasks, [Fold("", tuple(tasks), ())], n_trials=40, contenders=5, space=space)
    assert {load.member_steps for load in found.values()} == {0}, "batches of 40 leave a third of a block idle"
    assert {load.group_steps for load in found.values()} == {6 * 2 * 20}, "one rule has a group in every population"
    assert {load.rules for load in found.values()} == {frozenset({"sgd"})}, "the comparison's rules are others"
    # One block of five tasks sees all 40, the last task three tenths; then 5 finalists run on 2 seeds.
    assert sum(members for _, _, members in populations(tasks, 40)) == 5 * 40 + 12 + 6 * 10


def test_batches_of_a_heat_go_on_side_by_side_as_a_share_of_all_before(make_tasks):
    found = [members for _, _, members in populations(make_tasks(6), 200)]
    first, last = [40] * 5, [10] * 6
    assert found == [*first, 12, *first, *first, 36, *first, *first, 60, *last]


def test_more_rules_leave_each_fewer_groups(make_tasks, registry):
    tasks = make_tasks(3)
    spaces = [joint_space(registry, optimizers=names, wrappers=[]) for names in (["sgd"], ["sgd", "adamw", "lion"])]
    one, three = (next(iter(workloads(tasks, [Fold("", tuple(tasks), ())], 10, 5, space).values())) for space in spaces)
    assert one.group_steps > three.group_steps


def test_a_study_that_is_continued_decides_as_it_began(make_tasks, url, monkeypatch):
    seen, train = [], evaluators.train

    def noted(task, members, **how):
        if how["compile"] != "off":  # as probes of what a step costs are
            seen.append((how["compile"], how["ahead"]))
        return train(task, members, **how)

    monkeypatch.setattr(evaluators, "train", noted)
    corpus = metaopt.Corpus("lines", tuple(make_tasks(2)))
    options = {"storage": url, "optimizers": ["sgd"], "against": (), "announce": lambda line: None}
    metaopt.tune(corpus, n_trials=2, **options)
    begun = set(seen)
    seen.clear()
    metaopt.tune(corpus, n_trials=4, **options)
    assert {how for how, _ in seen} == {"auto"}
    assert {load for _, load in seen} <= {load for _, load in begun}
    assert Workload(0, 0) not in {load for _, load in begun}


def test_what_is_no_choice_is_refused(make_tasks):
    with pytest.raises(InputError, match="compile must be auto, on or off, got 'yes'"):
        metaopt.tune(make_tasks(1), compile="yes")


def test_a_task_that_nobody_counted_compiles_nothing(evaluator, make_task):
    task = dataclasses.replace(make_task(), name="other")
    engine, compile, ahead, *_ = evaluator._how(
        task, [(assemble(metaopt.Configuration("adamw"), evaluator.registry), 0)]
    )
    assert (engine, compile, ahead) == ("population", "auto", Workload(0, 0))
