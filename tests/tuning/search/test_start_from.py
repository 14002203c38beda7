"""Studies that begin with known settings."""

import json

import pytest

import metaopt
from metaopt import RateLaw
from metaopt.configuration import Configuration
from metaopt.tuning import rebuild
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.start_from import account, known_settings, sampler_params

LAW = {"adamw": RateLaw()}
INSIDE = Configuration("adamw", "cosine", hparams={"adamw.lr": 0.03, "cosine.warmup": 0.1}, rate_law=LAW)
OUTSIDE = Configuration("adamw", hparams={"adamw.lr": 0.5, "adamw.weight_decay": 0.0})
LAWLESS = Configuration("adamw", "cosine", hparams={"adamw.lr": 0.03, "cosine.warmup": 0.1})
UNDECAYED = Configuration("sgd", hparams={"sgd.lr": 0.05}, no_decay="none")
CHOICE = {"optimizers": ["adamw", "sgd"], "controllers": ["constant", "cosine"], "wrappers": [], "against": []}


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "known.json"
    path.write_text(json.dumps([configuration.to_json() for configuration in (INSIDE, OUTSIDE, UNDECAYED)]))
    return path


def proposed(result):
    return [proposal.configuration for proposal, _ in sorted(result.judged, key=lambda pair: pair[0].number)]


def tune(tasks, **arguments):
    return metaopt.tune(tasks, **{**CHOICE, "announce": lambda line: None, **arguments})


@pytest.mark.slow
def test_they_are_judged_first_and_then_the_defaults(make_tasks, settings):
    announced = []
    result = tune(make_tasks(2), n_trials=5, start_from=settings, announce=announced.append)
    first = proposed(result)
    assert first[:3] == [INSIDE, OUTSIDE, UNDECAYED]
    assert [(configuration.optimizer, configuration.controller) for configuration in first[3:]] == [
        ("adamw", "constant"),
        ("adamw", "cosine"),
    ]
    assert announced[0] == (
        "Starting from 3 of 3 known settings; 2 lie outside the search space: judged as they are, they teach the "
        "sampler nothing."
    )


@pytest.mark.slow
def test_with_fewer_trials_the_first_ones_are_taken_and_more_trials_go_on(make_tasks, settings, url):
    tasks = make_tasks(2)
    short = tune(tasks, n_trials=2, start_from=settings, storage=url)
    assert proposed(short) == [INSIDE, OUTSIDE]
    longer = tune(tasks, n_trials=6, start_from=settings, storage=url)
    assert proposed(longer) == proposed(tune(tasks, n_trials=6, start_from=settings))


@pytest.mark.slow
def test_the_sampler_learns_from_what_it_can(make_tasks, settings):
    result = tune(make_tasks(1), n_trials=45, start_from=settings, seed=1)
    assert len(proposed(result)) == 45


@pytest.mark.slow
def test_a_result_made_again_from_the_ledger_is_the_same(make_tasks, settings, url):
    tasks = make_tasks(2)
    result = tune(tasks, n_trials=4, start_from=settings, storage=url)
    settings.unlink()
    again = rebuild(url, corpus=tasks)
    assert again.recipe.configuration == result.recipe.configuration
    assert proposed(again) == proposed(result)


@pytest.mark.slow
def test_a_study_goes_on_only_with_the_settings_it_began_with(make_tasks, settings, url):
    tasks = make_tasks(2)
    tune(tasks, n_trials=2, start_from=settings, storage=url)
    with pytest.raises(
        metaopt.StorageError, match=r"start_from was '3 settings, \w+', is '1 settings, \w+'; use another"
    ):
        tune(tasks, n_trials=2, start_from=[INSIDE], storage=url)
    with pytest.raises(metaopt.StorageError, match="start_from is gone"):
        tune(tasks, n_trials=2, storage=url)


@pytest.mark.slow
def test_recipes_and_portfolios_are_settings_too(make_tasks, registry, tmp_path, settings):
    result = tune(make_tasks(2), n_trials=3, start_from=settings, portfolio=2)
    result.recipe.save(tmp_path / "mine")
    result.portfolio.save(tmp_path / "several")
    mine, several = result.recipe.configuration, [recipe.configuration for recipe in result.portfolio]
    assert known_settings(result.recipe, registry) == [mine]
    assert known_settings(result.portfolio, registry) == several
    for source in (tmp_path / "mine", tmp_path / "mine" / "recipe.json"):
        assert known_settings(source, registry) == [mine]
    for source in (tmp_path / "several", tmp_path / "several" / "portfolio.json"):
        assert known_settings(source, registry) == several
    (tmp_path / "both.json").write_text(json.dumps(["several", "mine", INSIDE.to_json()]))
    assert known_settings(tmp_path / "both.json", registry) == list(dict.fromkeys([*several, mine, INSIDE]))


def test_the_sampler_knows_what_lies_in_the_space(registry):
    space = joint_space(registry, optimizers=["adamw"], controllers=["cosine"], wrappers=["averaged"])
    params = sampler_params(space, INSIDE, registry)
    assert (params["optimizer"], params["wrapper"], params["adamw.lr"]) == ("adamw", "none", 0.03)
    for outside in (OUTSIDE, UNDECAYED, Configuration("adamw", "cosine", no_decay="none"), LAWLESS):
        assert sampler_params(space, outside, registry) == {}
    fixed = joint_space(registry, optimizers=["adamw"], controllers=["cosine"], settings=["adamw.beta1=0.95"])
    assert sampler_params(fixed, INSIDE, registry) == {}
    assert "; 0 lie outside" in account([INSIDE], 1, space, registry)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[1, 2", r"bad.json' is not readable as JSON: .*; write it again"),
        ("3", r"bad.json' must hold a list of settings, got 3"),
        ("[]", r"bad.json holds no settings; give at least one"),
        ("[3]", r"bad.json, entry 1 must be a configuration, a recipe or a path, got 3"),
        ('[{"optimiser": "adamw"}]', r"entry 1 is no setting: a configuration has the fields .*got \['optimiser'\]"),
        ('[{"optimizer": "adamx"}]', r"entry 1 cannot be judged: .*'adamx'"),
        ('[{"optimizer": "adamw", "hparams": {"adamw.lr": -1}}]', r"entry 1 cannot be judged: adamw.lr must be in"),
        ('[{"optimizer": "adamw", "hparams": 3}]', r"entry 1 is no setting: hparams must map"),
        ('[{"learning_rate": 1}]', r"entry 1 is no setting: an entry of opt_list has the fields .* lacks \['adamw_w"),
    ],
)
def test_a_file_that_is_wrong_is_one_sentence(registry, tmp_path, text, match):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(metaopt.InputError, match=match):
        known_settings(tmp_path / "bad.json", registry)


def test_a_file_that_is_not_there_is_named(registry):
    with pytest.raises(metaopt.InputError, match=r"--start-from 'none.json' does not exist; give a JSON file, or"):
        known_settings("none.json", registry)


@pytest.mark.parametrize("name", ["list.json", "./list.json", "other.json"])
def test_a_list_of_settings_that_names_itself_is_refused(tmp_path, registry, name):
    (tmp_path / "list.json").write_text(json.dumps([INSIDE.to_json(), name]))
    (tmp_path / "other.json").write_text('["list.json"]')
    with pytest.raises(metaopt.InputError, match="names itself, or a list that names it"):
        known_settings(tmp_path / "list.json", registry)


def test_a_list_that_holds_itself_is_refused(registry):
    settings = [INSIDE]
    settings.append([settings])
    with pytest.raises(metaopt.InputError, match="is the list of settings that it stands in"):
        known_settings(settings, registry)


def test_a_list_may_be_named_twice(tmp_path, registry):
    (tmp_path / "one.json").write_text(json.dumps([INSIDE.to_json()]))
    (tmp_path / "two.json").write_text('["one.json", "one.json", ["one.json"]]')
    assert known_settings(tmp_path / "two.json", registry) == [INSIDE]


@pytest.mark.parametrize("text", ["[" * 100 + "]" * 100, "[" * 100_000, "1" + "0" * 5_000, '["\\ud800"]', "[[[[3]]]]"])
def test_hostile_lists_of_settings_are_refused_in_one_short_sentence(tmp_path, registry, text):
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(metaopt.InputError, match=r"list\.json") as caught:
        known_settings(tmp_path / "list.json", registry)
    assert len(str(caught.value)) < 500


def test_a_byte_order_mark_is_no_part_of_a_list(tmp_path, registry):
    (tmp_path / "list.json").write_bytes(b"\xef\xbb\xbf" + json.dumps([INSIDE.to_json()]).encode())
    assert known_settings(tmp_path / "list.json", registry) == [INSIDE]
