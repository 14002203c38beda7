"""A recipe that is pushed is what somebody else loads, with a card, in one commit."""

import pytest

import metaopt
from metaopt import Configuration, RecipeError


@pytest.fixture(scope="module")
def plain():
    return metaopt.Recipe.create(Configuration("adamw", "cosine", hparams={"adamw.lr": 0.25}))


def test_what_is_pushed_is_what_is_loaded(hub, plain, login):
    learned = metaopt.load_recipe("mlp_lopt")
    for recipe in (plain, learned):
        address = recipe.push_to_hub(f"ann/{recipe.configuration.optimizer}")
        assert address.startswith(f"hf://ann/{recipe.configuration.optimizer}@")
        assert metaopt.load_recipe(address) == recipe
        assert metaopt.load_recipe(address.partition("@")[0]) == recipe
    commit = hub.repositories["ann/mlp_lopt"].commits[-1][1]
    assert set(commit) == {".gitattributes", "README.md", "recipe.json", "theta.safetensors"}


def test_pushing_again_replaces_the_recipe_and_weights_that_are_no_more(hub, plain, login):
    first = metaopt.load_recipe("mlp_lopt").push_to_hub("ann/mine")
    plain.push_to_hub("hf://ann/mine")
    assert set(hub.repositories["ann/mine"].commits[-1][1]) == {".gitattributes", "README.md", "recipe.json"}
    assert metaopt.load_recipe("hf://ann/mine") == plain
    assert metaopt.load_recipe(first).theta is not None


def test_a_token_may_be_given_and_a_new_repository_may_be_private(hub, plain):
    plain.push_to_hub("ann/mine", private=True, token="hf_given")
    assert hub.repositories["ann/mine"].token == "hf_given"
    with pytest.raises(RecipeError, match=r"^There is no repository 'ann/mine' on the Hub, or you have no access"):
        metaopt.load_recipe("hf://ann/mine")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine", r"^A recipe on the Hub is written hf://user/name or hf://user/name@revision, got 'mine'\.$"),
        (None, r"^A recipe on the Hub is written hf://user/name or hf://user/name@revision, got None\.$"),
        ("ann/mine@none", r"^There is no repository 'ann/mine' on the Hub|^The repository 'ann/mine' has no revision"),
    ],
)
def test_what_cannot_be_pushed_is_one_sentence(hub, plain, login, name, message):
    with pytest.raises(RecipeError, match=message):
        plain.push_to_hub(name)


def test_without_a_login_nothing_is_pushed_and_no_token_is_told(hub, plain):
    with pytest.raises(RecipeError) as caught:
        plain.push_to_hub("ann/mine")
    assert "\n" not in str(caught.value)
    assert hub.repositories == {}
