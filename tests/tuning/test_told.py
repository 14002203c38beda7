"""Which earlier candidates the sampler is told about."""

from metaopt.configuration import Configuration
from metaopt.tuning.ledger import Outcome, Proposal
from metaopt.tuning.study import TOLD, told


def history(count: int) -> tuple[list[Proposal], dict[int, Outcome]]:
    proposals = [Proposal(number, number // 40, Configuration("adamw"), {}) for number in range(count)]
    outcomes = {
        number: Outcome(number, {5: number * 7919 % count / count}, number % 10 == 0) for number in range(count)
    }
    return proposals, outcomes


def test_a_short_history_is_told_whole() -> None:
    proposals, outcomes = history(2 * TOLD)
    assert told(proposals, outcomes) == proposals


def test_of_a_long_history_the_best_are_told_and_others_from_its_whole_length() -> None:
    proposals, outcomes = history(10_000)
    found = told(proposals, outcomes)
    numbers = [one.number for one in found]
    assert len(found) == 2 * TOLD
    assert numbers == sorted(set(numbers))
    complete = sorted((-outcome.objective, number) for number, outcome in outcomes.items() if outcome.complete)
    assert {number for _, number in complete[:TOLD]} <= set(numbers)
    assert all(any(begin <= number < begin + 1_000 for number in numbers) for begin in range(0, 10_000, 1_000))
    assert told(proposals, outcomes) == found
