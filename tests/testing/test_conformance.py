"""Checks run one by one or all together; what builds on a failure does not run."""

import dataclasses

import pytest

import metaopt
from metaopt import testing

SPEC = metaopt.StopperSpec(name="mine", version="1", fires=lambda batch, hparams: batch.values > 1)


def holds(spec):
    """It holds.

    Further words.
    """


def breaks(spec):
    """It breaks."""
    raise testing.ConformanceError("Broken.")


def raises(spec):
    """It raises."""
    spec.fires(None, {})


def concerns_others(spec):
    """It concerns others."""
    raise testing.NotApplicable("No weights.")


def leaves(spec):
    """It leaves."""
    raise SystemExit(3)


def check_of(function, *needs):
    return testing.Check(SPEC, function, needs)


@pytest.mark.parametrize(
    ("function", "status", "message"),
    [
        (holds, "passed", ""),
        (breaks, "failed", "Broken."),
        (concerns_others, "skipped", "No weights."),
        (raises, "failed", "It raised AttributeError: 'NoneType' object has no attribute 'values'."),
        (leaves, "failed", "It raised SystemExit: 3."),
    ],
)
def test_an_outcome_says_how_a_check_went(function, status, message):
    outcome = check_of(function).run()
    assert (outcome.check, outcome.status, outcome.message) == (function.__name__, status, message)


def test_a_claim_is_the_first_line_of_what_is_written_about_it():
    assert check_of(holds).claim == "It holds."
    assert str(check_of(holds)) == "stopper-mine-holds"


def test_whatever_a_plugin_raises_is_a_failure_at_its_line():
    with pytest.raises(testing.ConformanceError) as raised:
        check_of(raises)()
    assert raised.value.location.source.startswith("SPEC = ")
    assert isinstance(raised.value.__cause__, AttributeError)


def test_what_builds_on_a_failure_is_blocked_and_names_it():
    foundation = check_of(breaks)
    outcome = check_of(holds, foundation).run()
    assert foundation.fails
    assert (outcome.status, outcome.message) == ("blocked", "It could not run: breaks failed.")


@pytest.mark.parametrize("function", [holds, concerns_others])
def test_what_builds_on_no_failure_runs(function):
    assert check_of(holds, check_of(function)).run().status == "passed"


def test_a_foundation_runs_once():
    runs = []

    def counted(spec):
        """It is counted."""
        runs.append(spec)

    foundation = check_of(counted)
    for _ in range(3):
        check_of(holds, foundation)()
    assert runs == [SPEC]


def test_foundations_come_first_and_all_others_need_them():
    checks = testing.checks_for(SPEC)
    names = [check.name for check in checks]
    assert names[:2] == ["space_is_sound", "space_is_finite"]
    assert len(set(names)) == len(names)
    assert [check.name for check in checks[1].needs] == ["space_is_sound"]
    assert {"space_is_sound", "space_is_finite"} <= {check.name for check in checks[-1].needs}


def test_the_comparison_with_a_librarys_class_comes_last():
    rule = metaopt.per_tensor(lambda *_: {}, lambda grad, state, *_: (-grad, state))
    checks = testing.checks_for(metaopt.OptimizerSpec(name="mine", version="1", rule=rule))
    last = [check for check in checks if check.name != "trains_in_hosts_that_step"][-1]
    assert last.name == "native_equals_rule"
    assert {"state_is_its_own", "lowers_a_quadratic"} <= {check.name for check in last.needs}


def test_a_report_passes_without_failures():
    passed, failed = check_of(holds).run(), check_of(breaks).run()
    assert testing.Report(SPEC, (passed, check_of(concerns_others).run())).passed
    report = testing.Report(SPEC, (passed, failed))
    assert not report.passed
    assert report.failures == (failed,)


def test_one_unsound_declaration_is_one_failure():
    # All that is checked of a stopper builds on its declarations: nobody may give the end of this range.
    space = {"beta": metaopt.Float(0.5, 1.0, default=0.9, valid="[0, 1)")}
    report = testing.check(dataclasses.replace(SPEC, space=space))
    assert [outcome.check for outcome in report.failures] == ["space_is_sound"]
    assert {outcome.status for outcome in report.outcomes} <= {"failed", "blocked"}


def test_only_specs_have_checks():
    with pytest.raises(metaopt.InputError, match=r"give a spec such as metaopt\.OptimizerSpec"):
        testing.checks_for(metaopt.PluginSpec(name="abstract", version="1"))
