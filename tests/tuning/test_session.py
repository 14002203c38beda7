"""The steps of one call of `tune`: what is claimed, announced, searched, compared and kept, in their order."""

import contextlib
import time

import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.errors import InputError, StorageError
from metaopt.tuning.arguments import StudyArguments
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.progress import TimeLimit
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.session import Session

pytestmark = pytest.mark.thorough

ARGUMENTS = {"n_trials": 2, "optimizers": ["sgd"], "controllers": ["constant"], "wrappers": [], "against": ["sgd"]}


@pytest.fixture
def begin(registry, make_tasks):
    """`begin(url, lines=, deadline=, train=, **arguments)`: a session on four tasks of two families."""
    with contextlib.ExitStack() as stack:

        def session(url="sqlite://", *, lines=None, deadline=None, train=True, tasks=None, **changes):
            arguments = StudyArguments(**{**ARGUMENTS, **changes})
            evaluator = Evaluator(Ledger(url), registry)
            stack.callback(evaluator.close)
            return Session(
                corpus=metaopt.Corpus("lines", tasks or make_tasks(4, families=2, num_steps=6, num_validations=3)),
                arguments=arguments,
                study_name="mine",
                space=joint_space(
                    registry,
                    optimizers=arguments.optimizers,
                    controllers=arguments.controllers,
                    wrappers=arguments.wrappers,
                    settings=arguments.settings,
                ),
                evaluator=evaluator,
                limit=TimeLimit(deadline, train=train),
                announce=(lambda line: None) if lines is None else lines.append,
            )

        yield session


def test_the_cost_is_announced_then_the_references_then_each_study(begin):
    lines = []
    begin(lines=lines, folds=2).tune()
    assert [line.split(":")[0].split(" at most")[0] for line in lines] == [
        "About to run",
        "References of each task",
        "2 of 2 candidates, best objective " + lines[2].split("objective ")[1],
        "fold1of2",
        "fold2of2",
    ]


def test_the_ledger_keeps_the_arguments_and_the_identity_of_the_study_and_of_each_fold(begin):
    session = begin(folds=2, seed=3)
    session.tune()
    ledger = session.evaluator.ledger
    assert StudyArguments.from_json(ledger.arguments("mine")) == session.arguments
    for name in ("mine", "mine/fold1of2", "mine/fold2of2"):
        assert len(ledger.proposals(name)) == len(ledger.outcomes(name)) == 2
    with pytest.raises(StorageError, match=r"The study 'mine' .* was begun with other settings: seed was 3, is 4"):
        begin_again(session, seed=4)


def begin_again(session, **changes):
    """The same call with other arguments, on the same ledger."""
    arguments = StudyArguments(**{**ARGUMENTS, "folds": 2, "seed": 3, **changes})
    return Session(
        corpus=session.corpus,
        arguments=arguments,
        study_name=session.study_name,
        space=session.space,
        evaluator=session.evaluator,
        limit=session.limit,
        announce=session.announce,
    ).tune()


def test_a_contender_that_is_no_plugin_is_refused_before_anything_is_claimed(begin):
    session = begin(against=["nobody"])
    with pytest.raises(metaopt.PluginError, match="nobody"):
        session.tune()
    assert session.evaluator.ledger.studies() == []
    assert session.evaluator.spent.evaluations == 0


def test_every_task_has_a_reference_and_takes_part_in_the_result(begin):
    session = begin()
    result = session.tune()
    names = [task.name for task in session.corpus]
    assert sorted(session.references) == sorted(result.scales) == names
    assert result.tuning_comparison.tasks == names
    assert result.comparison is None
    assert result.portfolio.scores.shape == (len(result.portfolio), 4)
    assert len(result.evaluations) == session.evaluator.spent.evaluations
    assert repr(result).startswith("TuneResult(recipe='sgd+constant")
    assert f"corpus='lines', tasks=4, portfolio={len(result.portfolio)}" in repr(result)
    assert len(repr(result)) <= 200


def test_families_that_are_held_out_are_compared_apart(begin):
    result = begin(held_out=["lines1"]).tune()
    assert result.held_out_by == "families"
    assert set(result.comparison.families()) == {"lines1"}
    assert set(result.tuning_comparison.families()) == {"lines0"}
    assert result.recipe.provenance["scores"]["held_out"]["by"] == "families"


def test_without_training_a_study_that_judged_nothing_has_no_result(begin):
    with pytest.raises(StorageError, match="The study 'mine' has judged no candidate yet; run its tune command"):
        begin(train=False).tune()


def test_without_training_the_result_is_that_of_before_and_nothing_is_written(begin, url):
    first = begin(url).tune()
    again = begin(url, train=False)
    result = again.tune()
    assert again.evaluator.spent.evaluations == 0
    assert result.recipe.configuration == first.recipe.configuration
    assert result.tuning_comparison.runs.equals(first.tuning_comparison.runs)


def test_a_contender_that_the_ledger_lacks_is_left_out_by_name(begin, url):
    begin(url).tune()
    lines = []
    result = begin(url, against=["adagrad"], train=False, lines=lines).tune()
    assert lines[1:] == ["Not in the ledger, and left out of tuning tasks compared: adagrad."]
    assert "adagrad" not in result.tuning_comparison.contenders


def test_references_that_the_time_does_not_suffice_for_are_an_error_that_says_how_to_go_on(begin):
    with pytest.raises(InputError, match="The time was up before the references of all tasks were done"):
        begin(deadline=time.monotonic() - 1).tune()


def test_known_settings_are_announced_and_judged_first(begin):
    lines, known = [], Configuration("sgd", hparams={"sgd.lr": 0.02})
    session = begin(lines=lines, start_from=[known])
    session.tune()
    assert lines[0].startswith("Starting from 1 of 1 known settings; 1 lie outside the search space")  # no decay
    assert session.evaluator.ledger.proposals("mine")[0].configuration == known


def test_which_graphs_are_compiled_follows_from_the_first_call(begin, url):
    first = begin(url)
    first.tune()
    more = begin(url, n_trials=4)
    more.tune()
    assert more.evaluator.ahead == first.evaluator.ahead
