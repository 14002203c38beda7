from metaopt.tuning.running.dear_tasks import dear_tasks
from metaopt.tuning.search.racing import race_order


def test_it_says_which_tasks_are_dear_what_they_cost_and_who_trains_on_them(make_task):
    tasks = race_order(
        [make_task(f"{family}{rung}", family, num_steps=10**rung) for family in "abc" for rung in (1, 2, 3)]
    )
    minutes = {"a3": 2.0, "c3": 1.5}
    of_run = {task.name: 600.0 for task in tasks}
    dear = dear_tasks(tasks, lambda task: 60 * minutes.get(task.name, 0.9), of_run)
    assert (dear.names, dear.tasks, dear.after, dear.seconds) == (("a3", "c3"), 9, 5, 1200.0)
    assert dear.line() == (
        "2 of 9 tasks take more than 60 s a training (a3, c3), about 20 min of all; of the candidates, only those that "
        "go on after 5 others train on them."
    )


def test_a_family_that_has_nothing_cheap_is_not_put_off(make_task):
    tasks = race_order([make_task(f"{family}1", family) for family in "abc"])
    dear = dear_tasks(tasks, lambda task: 61.0 * (task.name == "b1"), {"b1": 30_000.0})
    assert dear.after == 0
    assert dear.line() == (
        "1 of 3 tasks take more than 60 s a training (b1), about 8.3 h of all; every candidate trains on some."
    )


def test_where_nothing_is_dear_nothing_is_said(make_tasks):
    assert dear_tasks(make_tasks(3), lambda task: 60.0, {}) is None
