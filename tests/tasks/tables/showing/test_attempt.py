"""Refusals are told at once, as if each proposal were pasted."""

from metaopt.errors import InputError
from metaopt.tasks.tables.refusal import Refusal, refused
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.showing.attempt import attempted


def make(settings):
    """What needs two columns to be left out, one after the other."""
    for name in ("first", "second"):
        if name not in settings.drop:
            choice = "it may stay" if name == "first" else ""
            raise refused("x.csv", [Refusal(name, " is odd", "drop it", settings={"drop": [name]}, choice=choice)])
    if settings.num_steps == 7:
        raise InputError("Seven is too few.")
    return "made"


def test_proposals_add_up():
    attempt = attempted(make, TableSettings(drop=("known",)))
    assert attempt.made == "made"
    assert [refusal.column for refusal in attempt.refusals] == ["first", "second"]
    assert attempt.proposal == {"drop": ["known", "first", "second"]}
    assert attempt.settings.drop == ("known", "first", "second")
    assert attempt.choices == ("it may stay",)


def test_what_no_setting_helps_is_told_last():
    attempt = attempted(make, TableSettings(num_steps=7))
    assert attempt.made is None
    assert attempt.refusals[-1].sentence("x.csv") == "Seven is too few."


def test_a_proposal_that_changes_nothing_ends_it():
    def never(settings):
        raise refused("x.csv", [Refusal("a", " is odd", "leave it")])

    assert len(attempted(never, TableSettings()).refusals) == 1
