"""A study for a host proposes only what the host can train with, and says what it leaves out."""

import dataclasses

import pytest

import metaopt
from metaopt.plugin import Registry, current_registry
from metaopt.tuning.arguments import StudyArguments
from metaopt.tuning.host import for_host


@pytest.fixture
def with_eager():
    """All installed plugins, and a controller that tuning proposes and that needs the loss of each step."""
    registry = Registry()
    for entry in current_registry():
        if entry.spec.kind in ("optimizer", "wrapper", "controller", "stopper") and "pytorch" not in str(entry.source):
            registry.register(entry.spec)
    greedy = registry.get(metaopt.ControllerSpec, "greedy")
    registry.register(dataclasses.replace(greedy, name="eager", proposed=True))
    return registry


def test_without_a_host_nothing_changes(with_eager):
    arguments = StudyArguments()
    assert for_host(arguments, with_eager) is arguments


def test_what_the_host_does_not_supply_is_left_out_and_named_once(with_eager):
    lines = []
    arguments = for_host(StudyArguments(host="keras"), with_eager, lines.append)
    assert "eager" not in arguments.controllers
    assert "cosine" in arguments.controllers
    assert "evidence" not in arguments.stoppers
    assert "patience" in arguments.stoppers
    assert (arguments.optimizers is None) == ("optimizer" not in lines[0])
    (line,) = lines
    assert line.startswith("Keras does not supply what these require, so they are left out: ")
    assert "eager (loss)" in line
    assert "evidence (evidence)" in line


def test_a_host_that_supplies_all_leaves_the_search_as_it_is(with_eager):
    lines = []
    assert for_host(StudyArguments(host="accelerate"), with_eager, lines.append) == StudyArguments(host="accelerate")
    assert lines == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"host": "keras", "controllers": ["cosine", "greedy"]},
            r"^Keras does not supply loss, which the controller 'g",
        ),
        (
            {"host": "lightning", "stoppers": ["evidence"]},
            r"^Lightning does not supply evidence, which the stopper 'ev",
        ),
        (
            {"host": "keras", "wrappers": ["learned_schedule"]},
            r"^Keras does not supply loss, which the wrapper 'learned",
        ),
    ],
)
def test_what_is_asked_for_by_name_is_refused_by_name(with_eager, settings, message):
    with pytest.raises(metaopt.PluginError, match=message):
        for_host(StudyArguments(**settings), with_eager)


@pytest.mark.parametrize("host", ["lightening", "", 3])
def test_an_unknown_host_is_one_sentence_with_the_known_ones(host):
    with pytest.raises(metaopt.InputError, match=r"^There is no host .*Known: accelerate, fastai, keras, lightning,"):
        StudyArguments(host=host)


@pytest.mark.slow
def test_a_study_records_its_host_and_an_earlier_ledger_goes_on(make_tasks, url):
    corpus = metaopt.Corpus("lines", make_tasks(2, num_steps=4, num_validations=2))
    few = {"optimizers": ["sgd"], "controllers": ["constant"], "wrappers": [], "stoppers": ["patience"]}
    settings = {"n_trials": 1, "against": [], **few}
    lines = []
    first = metaopt.tune(corpus, storage=url, announce=lines.append, **settings)
    again = metaopt.tune(corpus, storage=url, announce=lines.append, host="lightning", **settings)
    assert again.recipe.configuration == first.recipe.configuration
    from metaopt.tuning.ledger.ledger import Ledger

    ledger = Ledger(url)
    assert ledger.arguments("metaopt")["host"] == "lightning"
    ledger.close()


def test_tune_reports_evaluations_scores_candidates_and_the_result(make_tasks):
    corpus = metaopt.Corpus("lines", make_tasks(2, num_steps=4, num_validations=2))
    events = []
    result = metaopt.tune(
        corpus,
        n_trials=2,
        optimizers=["sgd"],
        controllers=["constant"],
        wrappers=[],
        against=[],
        announce=lambda line: None,
        watch=events.append,
    )
    by_kind = {}
    for event in events:
        assert event.source == "tune"
        by_kind.setdefault(event.kind, []).append(event)
    assert [event.step for event in by_kind["evaluation"]] == list(range(1, len(by_kind["evaluation"]) + 1))
    assert {event.labels["task"] for event in by_kind["score"]} == {"line0", "line1"}
    assert {(event.step, event.labels["candidate"]) for event in by_kind["candidate"]} == {
        (0, "sgd+constant"),
        (1, "sgd+constant"),
    }
    objectives = {outcome.number: outcome.objective for _, outcome in result.judged}
    assert {event.step: event.numbers["objective"] for event in by_kind["candidate"]} == objectives
    (last,) = by_kind["result"]
    assert events[-1] is last
    assert last.why == str(result.verdict)
    assert last.numbers["seconds"] == result.cost.seconds
