import pytest

import metaopt
from metaopt.tuning.judging.held_out import folds, without_families


@pytest.fixture
def corpus(make_tasks):
    return metaopt.load_corpus(make_tasks(11, families=3))


@pytest.mark.parametrize("count", [2, 4, 11])
def test_folds_hold_out_every_task_exactly_once(corpus, count):
    parts = folds(corpus, count)
    assert len(parts) == count
    assert sorted(task.name for part in parts for task in part.held_out) == sorted(task.name for task in corpus)
    for part in parts:
        tuned, held = ({task.name for task in tasks} for tasks in (part.tuning, part.held_out))
        assert not tuned & held
        assert tuned | held == {task.name for task in corpus}


def test_families_are_spread_over_the_folds(corpus):
    for part in folds(corpus, 3):
        assert {task.family for task in part.held_out} == set(corpus.families)
        assert {task.family for task in part.tuning} == set(corpus.families)
    sizes = [len(part.held_out) for part in folds(corpus, 4)]
    assert max(sizes) - min(sizes) <= 1


def test_folds_are_the_same_every_time_and_have_names_of_their_own(corpus):
    first, again = folds(corpus, 3), folds(corpus, 3)
    assert first == again
    assert [part.name for part in first] == ["fold1of3", "fold2of3", "fold3of3"]


@pytest.mark.parametrize("count", [1, 0, -2, 12])
def test_a_number_of_folds_that_cannot_be_is_refused(corpus, count):
    with pytest.raises(metaopt.InputError, match=rf"--folds must be between 2 and the number of tasks, 11, .*{count}"):
        folds(corpus, count)


def test_whole_families_are_held_out(corpus):
    split = without_families(corpus, ["lines0", "lines2"])
    assert {task.family for task in split.held_out} == {"lines0", "lines2"}
    assert {task.family for task in split.tuning} == {"lines1"}
    assert len(split.tuning) + len(split.held_out) == 11


def test_families_that_do_not_exist_or_leave_nothing_are_refused(corpus):
    with pytest.raises(metaopt.InputError, match=r"unknown families \['curves'\]; .* has \['lines0', 'lines1'"):
        without_families(corpus, ["curves"])
    with pytest.raises(metaopt.InputError, match=r"leaves no task .* to tune on; keep at least one family"):
        without_families(corpus, list(corpus.families))
