import dataclasses

import pytest
import torch

import metaopt
from metaopt.configuration import assemble
from metaopt.errors import InputError
from metaopt.inner import Workload
from metaopt.tuning.judging.comparison import contender_named
from metaopt.tuning.judging.held_out import Fold, folds
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running import trainings
from metaopt.tuning.running.cost import Forecast, forecast, populations, workloads
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.machine import Machine
from metaopt.tuning.running.pace import Pace
from metaopt.tuning.running.progress import Phase
from metaopt.tuning.search.joint_space import joint_space

OTHERS = ("adamw", "adamw+cosine")


def expect(evaluator, tasks, n_trials, *, main=None, divided=(), others=OTHERS):
    contenders = [contender_named(name) for name in others]
    corpus = metaopt.load_corpus(tasks)
    return forecast(Pace(evaluator), corpus, main or corpus.tasks, divided, n_trials, contenders)


def runs(phases):
    return sum(phase.runs for phase in phases.values())


CHOICE = {"optimizers": ["adamw"], "controllers": ["constant"], "wrappers": [], "against": ["sgd"]}


@pytest.mark.slow
@pytest.mark.parametrize(("count", "n_trials"), [(1, 2), (6, 7)])
def test_the_counts_are_those_that_really_run(registry, make_tasks, count, n_trials):
    tasks = make_tasks(count)
    evaluator = Evaluator(Ledger("sqlite://"), registry)
    result = metaopt.tune(tasks, n_trials=n_trials, **CHOICE)
    others = result.tuning_comparison.contenders[1:]
    expected = expect(evaluator, tasks, n_trials, others=others)
    cost = result.cost
    seeds = [evaluation.key.seed for evaluation in result.evaluations]
    assert sum(seed >= 101 for seed in seeds) == runs(expected.comparisons) == count * 3 * (1 + len(others))
    # The baseline's runs of the finals are those of the references, and rounds end where it is decided.
    assert expected.references.runs == count * (33 + 2 * 2)
    assert runs(expected.searches) == sum(members for _, _, members in populations(tasks, n_trials, baselines=6))
    total = cost.evaluations + cost.reference_evaluations + cost.comparison_evaluations
    assert total == len(seeds)
    assert expected.references.runs + runs(expected.comparisons) < total <= runs(expected.phases)
    assert cost.evaluations + cost.reference_evaluations <= runs(expected.searches) + expected.references.runs
    evaluator.close()


def test_folds_and_families_held_out_are_counted(evaluator, make_tasks):
    tasks = make_tasks(6, families=3)
    plain = expect(evaluator, tasks, 4)
    divided = expect(evaluator, tasks, 4, divided=folds(metaopt.load_corpus(tasks), 3))
    assert runs(divided.comparisons) == 2 * runs(plain.comparisons)
    # Four candidates and two baselines in the finals, with up to four more seeds.
    assert runs(divided.searches) == runs(plain.searches) + 3 * (4 * 4 + 6 * 4 * 4)
    family = expect(evaluator, tasks, 4, main=[task for task in tasks if task.family != "lines0"])
    assert runs(family.comparisons) == runs(plain.comparisons)
    assert runs(family.searches) == 4 * 4 + 6 * 4 * 4
    assert runs(plain.searches) == 4 * 5 + 2 * 1 + (2 + 2) * 4 * 6  # two of them go on to the sixth task


def test_the_forecast_is_a_sentence_and_says_what_can_be_reused():
    expected = Forecast(
        Phase(370, 60.0), {"": Phase(2400, 530.0)}, {"compared": Phase(30, 10.0)}, stored=1200, black_boxes=0
    )
    line = expected.lines()[0]
    assert line == (
        "About to run at most 2,800 trainings: 2,400 of candidates, 370 of references, 30 of comparisons; about 10 min."
        " The ledger holds 1,200 evaluations of these tasks, which are reused."
    )


def test_the_forecast_tells_what_dear_tasks_cost_of_the_whole_run(evaluator, make_task):
    tasks = [make_task(f"{family}{rung}", family, num_steps=10**rung) for family in "abc" for rung in (1, 2)]

    class Slow(Pace):
        def seconds(self, task, members):
            return members * (61.0 if task.name == "c2" else 1.0)

    corpus = metaopt.load_corpus(tasks)
    expected = forecast(Slow(evaluator), corpus, corpus.tasks, (), 40, [])
    assert (expected.dear.names, expected.dear.after) == (("c2",), 5)
    quick = forecast(Quick(evaluator), corpus, corpus.tasks, (), 40, [])
    seconds, otherwise = (sum(phase.seconds for phase in each.phases.values()) for each in (expected, quick))
    assert expected.dear.seconds * 60 / 61 == pytest.approx(seconds - otherwise)
    assert expected.lines()[1] == expected.dear.line()
    assert quick.dear is None
    assert len(quick.lines()) == 1


class Quick(Pace):
    """A second each."""

    def seconds(self, task, members):
        return members * 1.0


def test_workers_share_what_the_machine_has(evaluator, make_tasks):
    corpus = metaopt.load_corpus(make_tasks(3))
    pace = Quick(evaluator, machine=Machine(8, 1.0, others=0.0))
    alone, many = (forecast(pace, corpus, corpus.tasks, (), 40, [], workers=workers) for workers in (1, 8))
    assert (alone.speedup, many.speedup) == (1.0, 3.0)  # a task's candidates train in one process
    assert alone.phases == many.phases
    assert many.lines() != alone.lines()
    boxes = [metaopt.BlackBoxTask("job", "jobs", train=lambda recipe, seed: iter([(1, 0.5)]))]
    corpus = metaopt.load_corpus(boxes)
    assert forecast(pace, corpus, corpus.tasks, (), 40, [], workers=8).speedup == 8.0


def test_nobody_knows_how_long_a_black_box_takes(evaluator, make_task):
    black = metaopt.BlackBoxTask("job", "jobs", train=lambda recipe, seed: iter([(1, 0.5)]))
    assert "; however long the black boxes take." in expect(evaluator, [black], 4).lines()[0]
    assert " s and however long the black boxes take." in expect(evaluator, [black, make_task()], 4).lines()[0]


@pytest.mark.slow
def test_what_is_stored_already_is_counted(url, registry, make_tasks):
    tasks = make_tasks(2)
    metaopt.tune(tasks, n_trials=2, storage=url, **CHOICE)
    evaluator = Evaluator(Ledger(url), registry)
    expected = expect(evaluator, tasks, 2)
    assert expected.stored == len(evaluator.evaluations(tasks)) > 2 * (37 + 2)
    evaluator.close()


def test_a_forecast_runs_nothing_that_counts(evaluator, make_tasks):
    tasks = make_tasks(2)
    expect(evaluator, tasks, 4)
    assert evaluator.spent.evaluations == 0
    assert evaluator.evaluations(tasks) == []


def test_what_the_first_batch_of_every_fold_shares_is_paid_once(evaluator, make_tasks):
    tasks = make_tasks(6, families=3)
    few, many = (expect(evaluator, tasks, n, divided=folds(metaopt.load_corpus(tasks), 3)) for n in (40, 80))
    shares = [expected.searches["fold1of3"].seconds / expected.searches[""].seconds for expected in (few, many)]
    assert 0 < shares[0] < shares[1]
    assert set(few.phases) >= {"references", "", "fold1of3", "fold3of3 compared", "tuning tasks compared"}


def test_counts_are_those_of_the_race_the_finalists_and_the_comparison(make_tasks, registry):
    tasks = make_tasks(6, num_steps=20)
    space = joint_space(registry, optimizers=["sgd"], wrappers=[])
    ahead = workloads(tasks, [Fold("", tuple(tasks), ())], n_trials=40, contenders=5, space=space)
    assert {load.member_steps for load in ahead.values()} == {0}, "batches of 40 leave a third of a block idle"
    assert {load.group_steps for load in ahead.values()} == {6 * 2 * 20}, "one rule has a group in every population"
    assert {load.rules for load in ahead.values()} == {frozenset({"sgd"})}, "the comparison's rules are others"
    # One block of five tasks sees all 40, the last task three tenths; then 4 finalists run on 4 seeds at most.
    assert sum(members for _, _, members in populations(tasks, 40)) == 5 * 40 + 12 + 6 * 16
    assert sum(members for _, _, members in populations(tasks, 40, baselines=3)) == 5 * 40 + 12 + 6 * 28


def test_batches_of_a_heat_go_on_side_by_side_as_a_share_of_all_before(make_tasks):
    members_at_once = [members for _, _, members in populations(make_tasks(6), 200)]
    first, last = [40] * 5, [16] * 6
    assert members_at_once == [*first, 12, *first, *first, 36, *first, *first, 60, *last]


def test_more_rules_leave_each_fewer_groups(make_tasks, registry):
    tasks = make_tasks(3)
    spaces = [joint_space(registry, optimizers=names, wrappers=[]) for names in (["sgd"], ["sgd", "adamw", "lion"])]
    one_rule, three_rules = (
        next(iter(workloads(tasks, [Fold("", tuple(tasks), ())], 10, 5, space).values())) for space in spaces
    )
    assert one_rule.group_steps > three_rules.group_steps


@pytest.mark.slow
def test_a_study_that_is_continued_decides_as_it_began(make_tasks, url, monkeypatch):
    seen, train = [], trainings.train

    def noted(task, members, **how):
        if how["compile"] != "off":  # as probes of what a step costs are
            seen.append((how["compile"], how["ahead"]))
        return train(task, members, **how)

    monkeypatch.setattr(trainings, "train", noted)
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
    engine, compile, ahead, *_ = evaluator._run_settings(
        task, [(assemble(metaopt.Configuration("adamw"), evaluator.registry), 0)]
    )
    assert (engine, compile, ahead) == ("population", "auto", Workload(0, 0))


def test_members_without_a_rule_count_one_after_the_other(registry, make_tasks):
    (task,) = make_tasks(1)
    registry.register(metaopt.optimizer_spec(torch.optim.Adamax))
    evaluator = Evaluator(Ledger("sqlite://"), registry)
    specs = [registry.get(metaopt.OptimizerSpec, name) for name in ("adamw", "adamax")]
    together, alone, mixed = (Pace(evaluator, chosen) for chosen in (specs[:1], specs[1:], specs))
    assert alone.seconds(task, 20) == pytest.approx(20 * alone.seconds(task, 1))
    assert together.seconds(task, 20) < 10 * together.seconds(task, 1)
    assert mixed.seconds(task, 20) > 10 * alone.seconds(task, 1) / 3  # both are timed anew
