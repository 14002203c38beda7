"""A corpus: named tasks with families and a fingerprint."""

import pytest

import metaopt


def job(name, family="jobs", version="1"):
    return metaopt.BlackBoxTask(name, family, lambda recipe, seed: iter([]), version=version)


def test_tasks_are_found_by_name_and_by_family():
    corpus = metaopt.Corpus("all", [job("a", "x"), job("b", "y"), job("c", "x")])
    assert len(corpus) == 3
    assert [task.name for task in corpus] == ["a", "b", "c"]
    assert corpus["b"].family == "y"
    assert {family: [task.name for task in tasks] for family, tasks in corpus.families.items()} == {
        "x": ["a", "c"],
        "y": ["b"],
    }
    assert [task.name for task in corpus.subset([corpus["c"]], "some")] == ["c"]


def test_notes_are_no_part_of_what_it_is():
    noted = metaopt.Corpus("all", [job("a")], ["a line"])
    assert noted.notes == ("a line",)
    assert noted.fingerprint == metaopt.Corpus("all", [job("a")]).fingerprint


def test_its_fingerprint_is_that_of_its_tasks_in_any_order():
    first, second = job("a"), job("b")
    assert metaopt.Corpus("x", (first, second)).fingerprint == metaopt.Corpus("y", (second, first)).fingerprint
    assert metaopt.Corpus("x", (first,)).fingerprint != metaopt.Corpus("x", (job("a", version="2"),)).fingerprint


@pytest.mark.parametrize(
    ("tasks", "message"),
    [((), "has no tasks; give it at least one"), ((job("a"), job("a")), r"tasks of the same name: \['a'\]; rename")],
)
def test_what_is_no_corpus_is_refused(tasks, message):
    with pytest.raises(metaopt.InputError, match=message):
        metaopt.Corpus("x", tasks)


def test_a_task_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(metaopt.InputError, match=r"no task 'b'; it has \['a'\]"):
        metaopt.Corpus("x", (job("a"),))["b"]
