"""What a study is held against, and the verdict on what it hands over."""

import dataclasses

import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.recipe import load_recipe
from metaopt.tuning.arguments import AGAINST, StudyArguments
from metaopt.tuning.held_against import HeldAgainst, baseline_of, weak_tasks
from metaopt.tuning.judging.noise import Difference
from metaopt.tuning.judging.references import DEFAULT_BASELINE, Reference, References
from metaopt.tuning.judging.scores import RatioScale, Scale
from metaopt.tuning.search.baselines import Baseline
from metaopt.tuning.search.finals import Outcome
from metaopt.tuning.search.joint_space import joint_space
from metaopt_corpora.sinusoid_episodes import sinusoid_task
from tests.tuning.judging.test_verdict import comparison_of

LEAD = Difference(-0.1, 0.01, 3.0)


@pytest.fixture
def held(registry, make_tasks):
    """`held(tasks=, **arguments)`: of two lines unless said otherwise."""

    def of(tasks=None, **arguments):
        study = StudyArguments(**arguments)
        space = joint_space(
            registry, optimizers=study.optimizers, controllers=study.controllers, wrappers=(), settings=study.settings
        )
        return HeldAgainst(study, metaopt.Corpus("mine", tasks or make_tasks(2)), space, registry)

    return of


def box():
    return metaopt.BlackBoxTask("job", "jobs", train=job)


def job(recipe, seed):
    yield 1, 1.0


def contenders(held, incumbent=None):
    """Where every baseline was in the finals."""
    return held.contenders(outcome("tuned", incumbent=incumbent), held.baselines)


def names(held):
    return [contender.name for contender in contenders(held)]


BASELINES = ["adamw", "adamw+cosine", "schedulefree_adamw", "prodigy", "default"]


# Contenders


def test_a_recipe_is_compared_with_the_baselines_of_its_finals_and_with_whom_the_user_names(held):
    assert names(held())[:5] == BASELINES
    assert set(names(held())) == {*BASELINES, *AGAINST}
    assert names(held(against=["sgd", "lion+cosine"])) == [*BASELINES, "sgd", "lion+cosine"]
    assert names(held(against=[])) == BASELINES


def test_nobody_is_compared_with_twice(held):
    assert names(held(against=["adamw", "sgd", "adamw+cosine"])) == [*BASELINES, "sgd"]
    assert len(set(names(held()))) == len(names(held()))


def test_contenders_are_what_was_in_the_finals(held):
    """AdamW at the rate that people use, the shipped recipe with its own stopper."""
    by_name = {contender.name: contender for contender in contenders(held())}
    assert by_name["adamw"].configuration == DEFAULT_BASELINE
    default = load_recipe("default")
    assert (by_name["default"].configuration, by_name["default"].stopper) == (default.configuration, default.stopper)


def test_a_black_box_is_compared_with_its_baseline_alone_unless_the_user_names_others(held):
    def named(**arguments):
        mine = held([box()], **arguments)
        assert [contender.name for contender in mine.most_contenders] == [
            contender.name for contender in mine.contenders(outcome("tuned"), mine.baselines[:1])
        ]
        return [contender.name for contender in mine.most_contenders]

    assert named() == ["adamw"]
    assert named(against=["sgd"]) == ["adamw", "sgd"]
    assert named(baseline=Configuration("sgd", hparams={"sgd.lr": 0.5})) == ["your baseline"]


def test_of_a_few_shot_study_s_baselines_the_best_alone_is_meta_trained_again(held):
    mine = held([sinusoid_task(10)], optimizers=["meta_sgd"], against=["maml"])
    ran = [Baseline("reptile at its defaults", Configuration("reptile")), Baseline("anil", Configuration("anil"))]
    chosen = mine.contenders(outcome("tuned", incumbent=ran[1].configuration.key), ran)
    assert [contender.name for contender in chosen] == ["anil", "maml"]


# What may be handed over


def test_what_the_user_excluded_is_forbidden(held):
    mine = held(optimizers=["adamw"], settings=["adamw.lr=1e-4..1e-2"])
    assert not mine.forbids(DEFAULT_BASELINE)
    assert mine.forbids(Configuration("sgd"))
    assert mine.forbids(Configuration("adamw", hparams={"adamw.lr": 0.1}))
    assert not held().forbids(Configuration("sgd"))


def test_a_baseline_is_found_by_the_key_of_its_configuration(held):
    baselines = held().baselines
    known = baseline_of(DEFAULT_BASELINE.key, baselines)
    assert known is not None
    assert known.name == "adamw"
    assert baseline_of(Configuration("sgd").key, baselines) is None
    assert baseline_of(None, baselines) is None


# Verdicts


def outcome(chosen, *, is_tuned=True, incumbent=DEFAULT_BASELINE.key):
    return Outcome(chosen, is_tuned, incumbent, LEAD, "tuned")


def verdict(held, of, held_out, tuning):
    return held.verdict(of, held.baselines, held_out, tuning)


#: Of which one that nobody would have used is the best of all.
APART = {"recipe": [0.0] * 3, "adamw": [0.0, 0.1, 0.2], "prodigy": [0.9, 0.9, 0.9]}


def test_the_verdict_is_on_held_out_tasks_where_there_are_any(held):
    incumbents = {f"t{index}": "adamw" for index in range(3)}
    better, worse = (
        comparison_of({**APART, "recipe": mine}, incumbents=incumbents)
        for mine in ([0.5, 0.6, 0.7], [-0.5, -0.4, -0.3])
    )
    on_held_out = verdict(held(), outcome("tuned"), worse, better)
    assert on_held_out.kind == "worse"
    assert on_held_out.where == "on 3 held-out tasks alone"
    on_tuning = verdict(held(), outcome("tuned"), None, better)
    assert on_tuning.kind == "better"
    assert on_tuning.where == "on 3 tasks that it was tuned on"


def test_one_task_is_worded_so(held):
    one = comparison_of({"recipe": [0.5], "adamw": [0.0]})
    assert verdict(held(), outcome("tuned"), one, None).where == "on 1 held-out task alone"
    assert verdict(held(), outcome("tuned"), None, one).where == "on 1 task that it was tuned on"


def test_a_baseline_that_is_handed_over_is_named(held):
    comparison = comparison_of({"recipe": [0.0] * 3, "adamw": [0.0] * 3})
    answer = verdict(held(), outcome(DEFAULT_BASELINE.key, is_tuned=False), None, comparison)
    assert (answer.kind, answer.incumbent, answer.promised) == ("untuned", "adamw", LEAD)
    assert "adamw itself is handed over" in str(answer)


def test_an_excluded_incumbent_is_named_with_the_option(held):
    mine = held(optimizers=["sgd"])
    answer = verdict(mine, outcome("tuned"), None, comparison_of({"recipe": [0.5] * 3, "adamw": [0.0] * 3}))
    assert answer.excluded == "--optimizers"
    assert "which --optimizers excludes" in str(answer)


def test_without_any_comparison_nothing_is_claimed(held):
    answer = verdict(held(), outcome("tuned"), None, None)
    assert answer.kind == "unknown"
    assert "nothing is claimed" in str(answer)


def test_over_few_tuning_tasks_intervals_are_of_these_very_tasks(held):
    """Tasks that differ widely, seeds that hardly do."""
    gains = [-1.0, 0.2, 1.4, 0.2, -0.8, 1.4, 0.2]
    comparison = comparison_of({"recipe": gains, "adamw": [0.0] * 7}, seeds=(-1e-6, 1e-6))
    assert verdict(held(), outcome("tuned"), None, comparison).kind == "better"
    assert verdict(held(), outcome("tuned"), comparison, None).kind == "level"


# Tasks that cannot tell settings apart


def test_weak_tasks_are_those_whose_references_are_as_close_as_noise(make_task, evaluator):
    scale = Scale(1.0, 0.5, -0.5, 0.5, 0.01, 1.0, 0.5, 0.01, runs=3)
    close = dataclasses.replace(scale, noise=0.5)
    never = dataclasses.replace(scale, baseline=float("nan"))
    scales = {"strong": scale, "weak": close, "never finite": never, "box": RatioScale(1.0, float("nan"))}
    known = References({name: Reference(each, ()) for name, each in scales.items()}, evaluator, DEFAULT_BASELINE)
    tasks = [make_task(name) for name in (*scales, "of no reference")]
    assert weak_tasks(tasks, known) == ("weak", "never finite")
