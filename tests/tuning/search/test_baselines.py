"""What people use without tuning, and what a study is held against of it."""

import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.plugin import Registry
from metaopt.recipe import load_recipe
from metaopt.tuning.arguments import StudyArguments
from metaopt.tuning.judging.references import DEFAULT_BASELINE
from metaopt.tuning.search.baselines import NAMED, baselines_of, excluded_by, shared_tasks
from metaopt.tuning.search.joint_space import joint_space


def found_for(tasks, registry, **arguments):
    study = StudyArguments(**arguments)
    return baselines_of(study, tasks, space_of(study, registry), registry)


def space_of(study, registry):
    return joint_space(
        registry,
        optimizers=study.optimizers,
        controllers=study.controllers,
        wrappers=study.wrappers,
        settings=study.settings,
    )


def without(name, registry):
    """A registry of all plugins but one, as `METAOPT_PLUGINS` makes it."""
    fewer = Registry()
    for entry in registry:
        if entry.spec.name != name:
            fewer.register(entry.spec)
    return fewer


def names(found):
    return [baseline.name for baseline in found.baselines]


def test_a_study_is_held_against_what_people_use(registry, make_tasks):
    found = found_for(make_tasks(2), registry)
    assert names(found) == ["adamw", "adamw+cosine", "schedulefree_adamw", "prodigy", "default"]
    assert found.notes == ()
    by_name = {baseline.name: baseline for baseline in found.baselines}
    assert by_name["adamw"].configuration == DEFAULT_BASELINE
    assert by_name["adamw+cosine"].configuration == Configuration("adamw", "cosine")
    default = load_recipe("default")
    assert (by_name["default"].configuration, by_name["default"].stopper) == (default.configuration, default.stopper)
    assert all(baseline.excluded is None for baseline in found.baselines)
    assert all(baseline.stopper is None for baseline in found.baselines if baseline.name != "default")


def test_adamw_is_taken_at_the_rate_that_people_use(registry):
    """With a schedule it is at its default."""
    assert DEFAULT_BASELINE.hparams == {"adamw.lr": 1e-3}
    assert joint_space(registry).defaults()["adamw.lr"] == 1e-3


def test_the_user_s_own_baseline_comes_first(registry, make_tasks):
    mine = Configuration("sgd", hparams={"sgd.lr": 0.5})
    found = found_for(make_tasks(2), registry, baseline=mine)
    assert names(found) == ["your baseline", *NAMED, "default"]
    assert found.baselines[0].configuration == mine


def test_each_configuration_is_held_against_once(registry, make_tasks):
    found = found_for(make_tasks(2), registry, baseline=Configuration("adamw", "cosine"))
    assert names(found) == ["your baseline", "adamw", "schedulefree_adamw", "prodigy", "default"]


# The shipped recipe


def made_on():
    return sorted(load_recipe("default").provenance["corpus"]["tasks"])


@pytest.mark.parametrize("more", [0, 1, 2])
def test_the_shipped_recipe_is_left_out_where_it_was_made_on_a_task_of_the_study(registry, make_task, more):
    tasks = [make_task("mine"), *(make_task(name) for name in made_on()[: 1 + more])]
    found = found_for(tasks, registry)
    assert names(found) == list(NAMED)
    (note,) = found.notes
    others = f" and {more} more" if more else ""
    assert note == (
        f"The shipped recipe 'default' is not among the baselines: it was made on {made_on()[0]!r}{others}."
    )


def test_tasks_are_shared_by_fingerprint_where_a_recipe_recorded_them(make_task):
    mine, renamed, other = make_task("mine", seed=1), make_task("renamed", seed=2), make_task("other", seed=3)
    recorded = {"corpus": {"tasks": {"mine": "0" * 16, "once otherwise": renamed.fingerprint, "gone": "1" * 16}}}
    assert shared_tasks(recorded, [mine, renamed, other]) == ["mine", "renamed"]
    assert shared_tasks({"corpus": {"tasks": ["other", "gone"]}}, [mine, renamed, other]) == ["other"]


@pytest.mark.parametrize("provenance", [{}, {"corpus": {}}, {"corpus": {"name": "mine"}}, {"corpus": {"tasks": None}}])
def test_a_recipe_that_recorded_no_tasks_shares_none(make_task, provenance):
    assert shared_tasks(provenance, [make_task()]) == []


def test_black_boxes_are_compared_by_what_they_are_made_of_too():
    box = metaopt.BlackBoxTask("job", "jobs", train=job)
    assert shared_tasks({"corpus": {"tasks": {"once otherwise": box.fingerprint}}}, [box]) == ["job"]


def job(recipe, seed):
    yield 1, 1.0


def test_a_plugin_that_is_not_loaded_is_said_and_left_out(registry, make_tasks):
    found = found_for(make_tasks(1), without("prodigy", registry))
    assert "prodigy" not in names(found)
    assert "prodigy is not among the baselines: its plugin is not loaded." in found.notes


def test_a_shipped_recipe_of_which_a_plugin_is_not_loaded_is_said_and_left_out(registry, make_tasks):
    optimizer = load_recipe("default").configuration.optimizer
    found = found_for(make_tasks(1), without(optimizer, registry))
    assert "default" not in names(found)
    assert any(note.startswith("The shipped recipe 'default' is not among the baselines: ") for note in found.notes)


# What the user excluded


@pytest.mark.parametrize(
    ("arguments", "excluded"),
    [
        ({"optimizers": ["adamw"]}, {"schedulefree_adamw": "--optimizers", "prodigy": "--optimizers"}),
        ({"controllers": ["constant"]}, {"adamw+cosine": "--controllers"}),
        ({"controllers": ["cosine"]}, dict.fromkeys(["adamw", "schedulefree_adamw", "prodigy"], "--controllers")),
        ({"settings": ["adamw.lr=1e-5..1e-4"]}, {"adamw": "--set", "adamw+cosine": "--set"}),
        ({"settings": ["adamw.lr=1e-4..1e-2"]}, {}),
        ({"settings": ["adamw.lr=1e-3"]}, {}),
        ({"settings": ["adamw.lr=2e-3"]}, {"adamw": "--set", "adamw+cosine": "--set"}),
        ({"settings": ["sgd.lr=0.5"]}, {}),
    ],
)
def test_what_an_option_excludes_is_held_against_and_may_not_be_handed_over(registry, make_tasks, arguments, excluded):
    found = found_for(make_tasks(1), registry, **arguments)
    assert [name for name in names(found) if name != "default"] == list(NAMED)
    by_name = {baseline.name: baseline.excluded for baseline in found.baselines}
    assert {name: by_name[name] for name in NAMED} == {**dict.fromkeys(NAMED), **excluded}


@pytest.mark.parametrize("wrappers", [None, (), ("averaged",), ("lookahead",)])
def test_a_wrapper_is_excluded_unless_the_user_lets_it_be_proposed(registry, wrappers):
    study = StudyArguments(wrappers=wrappers)
    wrapped = Configuration("adamw", wrappers=("averaged",))
    expected = None if wrappers is None or "averaged" in wrappers else "--wrappers"
    assert excluded_by(wrapped, study, space_of(study, registry)) == expected
    assert excluded_by(Configuration("adamw"), study, space_of(study, registry)) is None
