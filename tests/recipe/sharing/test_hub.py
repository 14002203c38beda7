"""Recipes are fetched from a Hub by name: their own files alone, of one commit, and every fault has its sentence."""

import os
import subprocess
import sys
from pathlib import Path

import huggingface_hub.constants
import pytest

import metaopt
from metaopt import Configuration, RecipeError
from metaopt.recipe.sharing import hub as module


def files_of(recipe):
    files = {"recipe.json": recipe.text.encode()}
    return {**files, "theta.safetensors": recipe.theta_bytes} if recipe.theta else files


@pytest.fixture(scope="module")
def plain():
    return metaopt.Recipe.create(Configuration("adamw", "cosine", hparams={"adamw.lr": 0.25}))


@pytest.fixture(scope="module")
def learned():
    return metaopt.load_recipe("mlp_lopt")


def test_a_recipe_comes_as_it_was_saved(hub, plain, learned):
    hub.add("ann/plain", files_of(plain))
    hub.add("ann/learned", files_of(learned))
    assert metaopt.load_recipe("hf://ann/plain") == plain
    assert metaopt.load_recipe("hf://ann/learned") == learned


def test_only_a_recipes_own_files_are_asked_for(hub, learned):
    hub.add("ann/learned", {**files_of(learned), "evil.py": b"raise SystemExit", "pytorch_model.bin": b"pickle"})
    metaopt.load_recipe("hf://ann/learned")
    names = {request.rpartition("/")[2] for request in hub.requests}
    assert names == {"recipe.json", "theta.safetensors"}


def test_a_revision_may_be_named_and_the_newest_is_the_default(hub, plain):
    first = hub.add("ann/plain", files_of(plain))
    later = metaopt.Recipe.create(Configuration("sgd", "constant"))
    hub.repositories["ann/plain"].commit(files_of(later))
    assert metaopt.load_recipe("hf://ann/plain").name == later.name
    assert metaopt.load_recipe(f"hf://ann/plain@{first}") == plain
    count = len(hub.requests)
    metaopt.load_recipe(f"hf://ann/plain@{first}")
    assert len(hub.requests) == count, "A commit that is kept here is not asked for again."


def test_what_is_kept_here_serves_where_the_hub_is_out_of_reach(hub, learned):
    hub.add("ann/learned", files_of(learned))
    metaopt.load_recipe("hf://ann/learned")
    hub.gone = True
    assert metaopt.load_recipe("hf://ann/learned") == learned
    with pytest.raises(RecipeError, match=r"^The Hub is out of reach, and no copy of hf://ann/other is kept here; try"):
        metaopt.load_recipe("hf://ann/other")


def test_offline_mode_asks_nobody(hub, plain, monkeypatch):
    hub.add("ann/plain", files_of(plain))
    metaopt.load_recipe("hf://ann/plain")
    hub.requests.clear()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert metaopt.load_recipe("hf://ann/plain") == plain
    with pytest.raises(RecipeError, match=r"^The Hub is out of reach, and no copy of hf://ann/other is kept here"):
        metaopt.load_recipe("hf://ann/other")
    assert hub.requests == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "message"),
    [
        (
            "hf://ann/none",
            r"^There is no repository 'ann/none' on the Hub, or you have no access to it; check the name, or",
        ),
        (
            "hf://ann/secret",
            r"^There is no repository 'ann/secret' on the Hub, or you have no access to it; check the na",
        ),
        ("hf://ann/plain@v9", r"^The repository 'ann/plain' has no revision 'v9'\.$"),
        ("hf://ann/empty", r"^hf://ann/empty is no recipe: it lacks recipe.json, or weights that it names\.$"),
        (
            "hf://ann/halved",
            r"^hf://ann/halved@\w+ is no recipe|^hf://ann/halved is no recipe: it lacks recipe.json, or",
        ),
        ("hf://ann/linked", r"^The recipe .* is corrupt: "),
        ("hf://ann", r"^A recipe on the Hub is written hf://user/name or hf://user/name@revision, got 'hf://ann'\.$"),
        ("hf://", r"^A recipe on the Hub is written "),
        ("HF://ann/plain", r"^A recipe on the Hub is written "),
        ("https://huggingface.co/ann/plain", r"^A recipe on the Hub is written "),
        (Path("hf://ann/plain"), r"^A recipe on the Hub is written "),
        ("hf://ann/plain/recipe.json", r"^A recipe on the Hub is written "),
        ("hf://../..", r"^A recipe on the Hub is written "),
        ("hf://ann/plain@../../main", r"^A recipe on the Hub is written "),
        ("hf://ann/plain@", r"^A recipe on the Hub is written "),
        ("hf://ann/pl ain", r"^A recipe on the Hub is written "),
        ("hf://ann/plain?x=1", r"^A recipe on the Hub is written "),
        (f"hf://ann/{'x' * 200}", r"^The Hub did not do what was asked for |^There is no repository "),
    ],
)
def test_each_fault_is_one_sentence(hub, plain, learned, address, message):
    hub.add("ann/plain", files_of(plain))
    hub.add("ann/secret", files_of(plain), token="hf_somebodyelses")
    hub.add("ann/empty", {"README.md": b"nothing"})
    hub.add("ann/halved", {"recipe.json": learned.text.encode()})
    hub.add("ann/linked", {"recipe.json": b"../../../../etc/passwd"})  # what git keeps of a symbolic link
    with pytest.raises(RecipeError, match=message) as caught:
        metaopt.load_recipe(address)
    assert "\n" not in str(caught.value)


def test_a_private_recipe_comes_with_the_login(hub, plain, login):
    hub.add("ann/secret", files_of(plain), token=login)
    assert metaopt.load_recipe("hf://ann/secret") == plain


def test_what_is_too_large_is_not_fetched(hub, plain, monkeypatch):
    hub.add("ann/plain", files_of(plain))
    hub.stated_size = 17 * 2**20
    with pytest.raises(
        RecipeError, match=r"^The file recipe.json of hf://ann/plain has 17,825,792 bytes; it is not read,"
    ):
        metaopt.load_recipe("hf://ann/plain")
    assert not any(request.startswith("GET") for request in hub.requests)


def test_a_size_that_was_understated_is_found_after_all(hub, plain, monkeypatch):
    hub.add("ann/plain", files_of(plain))
    monkeypatch.setitem(module.LARGEST, "recipe.json", 100)
    hub.stated_size = 50
    with pytest.raises(RecipeError, match=r"^The Hub did not do what was asked for hf://ann/plain: |not read"):
        metaopt.load_recipe("hf://ann/plain")


def test_weights_that_were_exchanged_are_refused(hub, learned):
    hub.add("ann/learned", {**files_of(learned), "theta.safetensors": learned.theta_bytes[:-4] + b"abcd"})
    with pytest.raises(RecipeError, match=r"are not those that recipe.json was saved with"):
        metaopt.load_recipe("hf://ann/learned")


@pytest.mark.filterwarnings("ignore")
def test_a_hub_that_fails_is_one_sentence(hub, plain, monkeypatch):
    hub.add("ann/plain", files_of(plain))
    hub.failing = True
    with pytest.raises(RecipeError, match=r"^The Hub ") as caught:
        metaopt.load_recipe("hf://ann/plain")
    assert "\n" not in str(caught.value)


def test_a_token_in_the_wrong_place_is_not_repeated(hub):
    for address in ("hf://ann/plain@hf_verysecrettoken", "hf://hf_verysecrettoken:ann/plain"):
        hub.add("ann/plain", {})
        with pytest.raises(RecipeError) as caught:
            metaopt.load_recipe(address)
        error = caught.value
        while error is not None:
            assert "verysecret" not in str(error)
            error = error.__cause__


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        RecipeError, match=r"^Recipes on the Hub need huggingface-hub; pip install 'metaopt-torch\[hub\]'"
    ):
        metaopt.load_recipe("hf://ann/plain")


@pytest.mark.slow
def test_commands_take_it_where_they_take_a_recipe(hub, plain, tmp_path):
    hub.add("ann/plain", files_of(plain))
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    script = (
        "import sys\n"
        "from metaopt.cli import main\n"
        "for name in ('plain', 'none'):\n"
        "    sys.argv = ['metaopt', 'show', f'hf://ann/{name}']\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as end:\n"
        "        print('exit', end.code)\n"
    )
    shown = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert "adamw+cosine" in shown.stdout
    assert "0.25" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "exit 2"
    assert shown.stderr.startswith("error: There is no repository 'ann/none' on the Hub")
    assert "Traceback" not in shown.stderr


def test_a_recipe_of_the_hub_may_be_a_baseline_and_be_evaluated(hub, plain):
    hub.add("ann/plain", files_of(plain))
    from metaopt.tuning.tune_corpus import _checked_configuration

    registry = metaopt.plugin.registry.current_registry()
    assert _checked_configuration("hf://ann/plain", registry) == plain.configuration
