import importlib.metadata
import json
import math
import os
import re
import resource
import subprocess
import sys
import textwrap
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.plugin.registry import Registry, current_registry
from metaopt.recipe import MadeOn, Recipe
from metaopt.recipe.storage import shipped_recipes

STOPPER = StopperConfiguration(
    "any", stoppers=(StopperConfiguration("patience", {"patience": 0.2}), StopperConfiguration("divergence"))
)


@pytest.fixture
def recipe():
    return Recipe.create(
        Configuration("adamw", "wsd", wrappers=("averaged",), hparams={"adamw.lr": 3e-4, "wsd.decay": 0.3}),
        STOPPER,
        theta={"layer.weight": torch.randn(3, 2), "half": torch.randn(4).bfloat16(), "scalar": torch.tensor(2.0)},
        made_on=MadeOn(parameters=(100, 10_000), batch_size=(16, 64), horizon=(100, 1000), dtypes=("float32",)),
        num_validations=20,
        provenance={
            "corpus": {"name": "starter", "fingerprint": "00ff"},
            "seeds": [0, 1],
            "scores": {"digits": {"value": 0.7, "interval": [0.6, 0.8]}},
        },
    )


def document_of(folder):
    return json.loads((folder / "recipe.json").read_text())


def rewrite(folder, **changes):
    (folder / "recipe.json").write_text(json.dumps({**document_of(folder), **changes}))


def test_a_recipe_comes_back_as_it_was_saved(recipe, tmp_path):
    recipe.save(tmp_path / "mine")
    loaded = metaopt.load_recipe(tmp_path / "mine")
    assert loaded == recipe
    assert hash(loaded) == hash(recipe)
    assert loaded.configuration == recipe.configuration
    assert loaded.stopper == STOPPER
    assert all(torch.equal(loaded.theta[name], tensor) for name, tensor in recipe.theta.items())
    assert loaded.theta["half"].dtype == torch.bfloat16
    assert loaded.made_on == recipe.made_on
    assert metaopt.load_recipe(tmp_path / "mine" / "recipe.json") == recipe


def test_the_document_is_readable_and_records_where_it_comes_from(recipe, tmp_path):
    recipe.save(tmp_path)
    text = (tmp_path / "recipe.json").read_text()
    document = json.loads(text)
    assert text == json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert document["schema"] == 1
    assert document["plugins"]["optimizer adamw"] == "1"
    assert {"stopper any", "stopper patience", "wrapper averaged", "controller wsd"} <= set(document["plugins"])
    assert torch.__version__.startswith(document["provenance"]["libraries"]["torch"])  # without how it was built
    assert document["provenance"]["corpus"]["fingerprint"] == "00ff"
    assert len(document["theta_sha256"]) == 64
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.json", "theta.safetensors"]


def test_saving_again_replaces_it_and_drops_weights_that_are_gone(recipe, tmp_path):
    recipe.save(tmp_path)
    other = replace(recipe, theta=None)
    other.save(tmp_path)
    assert metaopt.load_recipe(tmp_path) == other != recipe
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.json"]


def test_recipes_with_other_weights_are_other_recipes(recipe):
    assert recipe != replace(recipe, theta={**recipe.theta, "scalar": torch.tensor(3.0)})


def test_what_is_wrong_with_a_recipe_is_said_in_one_sentence(recipe, tmp_path):
    def refused(message):
        with pytest.raises(metaopt.RecipeError, match=message) as caught:
            metaopt.load_recipe(tmp_path)
        assert caught.value.exit_code == 2

    with pytest.raises(metaopt.RecipeError, match=r"No recipe at .*nowhere.*no such folder"):
        metaopt.load_recipe(tmp_path / "nowhere")
    refused(r"It holds no recipe.json")
    recipe.save(tmp_path)
    whole = (tmp_path / "recipe.json").read_bytes()

    (tmp_path / "recipe.json").write_bytes(whole[:100])
    refused(r"recipe.json' is corrupt: .*line")
    (tmp_path / "recipe.json").write_bytes(b"\xff\xfe\x00")
    refused(r"is corrupt")
    for text in ("[]", "{}", '{"schema": "one"}'):
        (tmp_path / "recipe.json").write_text(text)
        refused(r"is not a recipe: it has no schema version")
    (tmp_path / "recipe.json").write_text('{"schema": 1}')
    refused(r"is corrupt: the field 'configuration' is missing")

    def changed(**changes):
        (tmp_path / "recipe.json").write_bytes(whole)
        rewrite(tmp_path, **changes)

    changed(schema=2)
    refused(r"was written by a newer metaopt \(schema 2, this one reads up to 1\)")
    changed(colour="blue")
    refused(r"unknown fields: colour; known: configuration")
    changed(configuration={"optimizer": "adamw", "speed": 3})
    refused(r"unknown fields in configuration: speed")
    changed(configuration={"optimizer": "adamv"})
    refused(r"cannot be used here: There is no optimizer 'adamv'; did you mean 'adamw'")
    changed(stopper={"name": "patients"})
    refused(r"There is no stopper 'patients'; did you mean 'patience'")
    changed(configuration={"optimizer": "adamw", "hparams": {"adamw.lr": -1}})
    refused(r"adamw.lr must be in .* got -1")
    changed(configuration={"optimizer": "adamw", "hparams": [1]})
    refused(r"hparams must map")
    changed(configuration="adamw")
    refused(r"is corrupt|unknown fields")
    changed(made_on={"parameters": [10, 1]})
    refused(r"made_on.parameters must be two positive whole numbers")


def test_weights_that_do_not_belong_to_the_document_are_refused(recipe, tmp_path):
    recipe.save(tmp_path)
    weights = (tmp_path / "theta.safetensors").read_bytes()
    (tmp_path / "theta.safetensors").write_bytes(weights[:-1] + b"\x00")
    with pytest.raises(metaopt.RecipeError, match=r"are not those that recipe.json was saved with"):
        metaopt.load_recipe(tmp_path)
    (tmp_path / "theta.safetensors").unlink()
    with pytest.raises(metaopt.RecipeError, match=r"theta.safetensors' cannot be read: No such file"):
        metaopt.load_recipe(tmp_path)


def test_another_version_of_a_plugin_is_announced(recipe, tmp_path):
    recipe.save(tmp_path)
    rewrite(tmp_path, plugins={**recipe.plugins, "controller wsd": "0"})
    with pytest.warns(UserWarning, match=r"version 0 of the controller 'wsd', installed is version 1"):
        metaopt.load_recipe(tmp_path)


def test_provenance_must_be_plain_json(recipe, tmp_path):
    for wrong in (math.nan, torch.ones(2), {1, 2}):
        with pytest.raises(metaopt.RecipeError, match="plain JSON"):
            replace(recipe, provenance={"score": wrong}).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_recipes_that_ship_are_found_by_name(recipe, tmp_path, monkeypatch):
    shelf = tmp_path / "package"
    recipe.save(shelf / "recipes" / "shipped")
    monkeypatch.setattr("metaopt.recipe.storage.files", lambda package: shelf)
    assert shipped_recipes() == ["shipped"]
    monkeypatch.chdir(tmp_path)
    replace(recipe, theta=None).save("shipped")
    assert metaopt.load_recipe("shipped") == recipe
    assert metaopt.load_recipe("./shipped").theta is None
    with pytest.raises(metaopt.RecipeError, match=r"by name there are: shipped"):
        metaopt.load_recipe("unshipped")


FULL_DISK = textwrap.dedent(
    """
    import sys, torch
    from dataclasses import replace
    import metaopt
    folder = sys.argv[1]
    recipe = metaopt.load_recipe(folder)
    if sys.argv[2] == "limit":
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        replace(recipe, theta={"big": torch.randn(100_000)}).save(folder)
    except metaopt.RecipeError as error:
        print(error)
    """
)


def run_python(*arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, check=True, timeout=120
    )


def test_a_full_disk_while_saving_leaves_the_old_recipe(recipe, tmp_path):
    """On a really full file system where we may mount one, else under a limit on file sizes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    ).returncode  # fmt: skip
    try:
        recipe.save(disk / "mine")
        done = run_python("-c", FULL_DISK, str(disk / "mine"), "full" if mounted else "limit")
        cause = "No space left on device" if mounted else "File too large"
        assert f"could not be written to {str(disk / 'mine')!r}: {cause}; the recipe that was there is unchanged" in (
            done.stdout
        )
        assert len(done.stdout.splitlines()) == 1
        assert metaopt.load_recipe(disk / "mine") == recipe
        assert len(list((disk / "mine").iterdir())) == 2
    finally:
        if mounted:
            subprocess.run(["umount", str(disk)], check=True)


def test_a_file_size_limit_while_saving_leaves_the_old_recipe(recipe, tmp_path):
    assert resource.RLIMIT_FSIZE
    recipe.save(tmp_path / "mine")
    done = run_python("-c", FULL_DISK, str(tmp_path / "mine"), "limit")
    assert "File too large; the recipe that was there is unchanged" in done.stdout
    assert metaopt.load_recipe(tmp_path / "mine") == recipe


def test_a_folder_that_cannot_be_made_says_so(recipe, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(metaopt.RecipeError, match=r"could not be written to .*file/mine'"):
        recipe.save(tmp_path / "file" / "mine")


def test_use_far_outside_the_range_is_announced_once_with_how_far():
    recipe = Recipe.create(
        Configuration("adamw", "cosine"),
        made_on=MadeOn(parameters=(1_000, 100_000), batch_size=(16, 64), horizon=(100, 1000)),
    )
    small = nn.Linear(2, 1)
    with pytest.warns(UserWarning, match="far outside the range") as caught:
        recipe.bind(small, total_steps=50_000, batch_size=1)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert caught[0].filename == __file__
    assert "3 parameters, 333 times fewer than the smallest, 1,000" in message
    assert "1 examples a batch, 16 times fewer than the smallest, 16" in message
    assert "50,000 training steps, 50 times more than the largest, 1,000" in message
    assert "settings are used as they are" in message
    recipe.bind(nn.Linear(150, 1), total_steps=9_000, batch_size=128)


def test_creating_a_recipe_checks_its_plugins_and_hyperparameters():
    with pytest.raises(metaopt.PluginError, match="There is no controller 'wds'"):
        Recipe.create(Configuration("adamw", "wds"))
    with pytest.raises(metaopt.InputError, match="patience has no hyperparameter 'patince'"):
        Recipe.create(Configuration("adamw"), StopperConfiguration("patience", {"patince": 3}))
    with pytest.raises(metaopt.InputError, match=r"The stopper 'any' needs stoppers="):
        Recipe.create(Configuration("adamw"), StopperConfiguration("any"))


def test_another_stopper_can_be_put_in(recipe):
    changed = recipe.with_stopper(StopperConfiguration("target", {"target": 0.1}))
    assert changed.name == "adamw+averaged+wsd+target"
    assert [key for key in changed.plugins if key.startswith("stopper")] == ["stopper target"]
    assert changed.with_stopper(None).stopper is None


def test_a_registry_of_ones_own_serves_all_of_it(tmp_path):
    registry = Registry()
    for kind, name in ((metaopt.OptimizerSpec, "sgd"), (metaopt.ControllerSpec, "constant")):
        registry.register(current_registry().get(kind, name))
    recipe = Recipe.create(Configuration("sgd"), registry=registry)
    recipe.save(tmp_path)
    assert metaopt.load_recipe(tmp_path, registry=registry).bind(nn.Linear(1, 1), registry=registry).num_steps == 0


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("configuration", None, "is corrupt: configuration must be an object {...}, got None"),
        ("configuration", {"optimizer": "adamw", "hparams": [1]}, "is not valid: hparams must map"),
        ("configuration", {"optimizer": "adamw", "wrappers": "averaged"}, "wrappers must be a list of names"),
        ("configuration", {"optimizer": None}, "looked up by its name, a string, got None"),
        ("stopper", "patience", "is corrupt: stopper must be an object"),
        ("stopper", {"name": "any", "stoppers": ["patience"]}, "described by an object with its name, got 'patience'"),
        ("plugins", [], "is corrupt: plugins must be an object"),
        ("made_on", {"horizon": "10"}, "is not valid: made_on.horizon must be two positive whole numbers"),
        ("num_validations", "five", "is not valid: num_validations must be a positive whole number, got 'five'"),
        ("num_validations", -5, "is not valid: num_validations must be a positive whole number, got -5"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(recipe, tmp_path, field, value, sentence):
    recipe.save(tmp_path)
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), field: value}))
    with pytest.raises(metaopt.RecipeError, match=re.escape(sentence)) as caught:
        metaopt.load_recipe(tmp_path)
    assert str(file) in str(caught.value)


def test_a_recipe_whose_plugin_is_not_installed_says_where_it_came_from(tmp_path):
    Recipe.create(Configuration("adamw", "cosine"), StopperConfiguration("patience")).save(tmp_path)
    without = Registry.discover(restriction=["optimizers"])
    version = importlib.metadata.version("metaopt-torch")
    sentence = f"When the recipe was made, controller cosine came from metaopt-torch {version}, stopper patience came"
    with pytest.raises(metaopt.RecipeError, match=re.escape(sentence)):
        metaopt.load_recipe(tmp_path, registry=without)


def test_another_stopper_brings_its_origin_along():
    recipe = Recipe.create(Configuration("adamw"), StopperConfiguration("patience"))
    changed = recipe.with_stopper(StopperConfiguration("target", {"target": 0.1}))
    assert set(changed.provenance["distributions"]) == {"optimizer adamw", "controller constant", "stopper target"}


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


KILLED = """
import os, sys, metaopt
from pathlib import Path

def counted(real):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == fatal:
            os.kill(os.getpid(), 9)
        return real(*arguments, **options)
    return call

before, after = (metaopt.load_recipe(path) for path in sys.argv[1:3])
for fatal in range(1, 30):
    home, calls = Path(sys.argv[3], str(fatal)), 0
    before.save(home)
    if not (child := os.fork()):
        for owner, name in ((os, "replace"), (os, "fsync"), (os, "unlink"), (Path, "unlink")):
            setattr(owner, name, counted(getattr(owner, name)))
        after.save(home)
        os._exit(0)
    survived = os.waitpid(child, 0)[1] == 0
    assert metaopt.load_recipe(home) in (before, after)
    if survived:
        break
    before.save(home)  # tidies up
    names = {path.name for path in home.iterdir()}
    assert names == {"recipe.json", *(["theta.safetensors"] if before.theta else [])}, names
assert metaopt.load_recipe(home) == after
print(fatal - 1, "kills")
"""


@pytest.mark.parametrize(("old", "new"), [(True, True), (True, False), (False, True)])
def test_a_kill_at_any_moment_of_a_save_leaves_the_old_recipe_or_the_new_one(recipe, tmp_path, old, new):
    before = recipe if old else replace(recipe, theta=None)
    before.save(tmp_path / "before")
    replace(recipe, theta={"w": torch.ones(3)} if new else None, provenance={"name": "new"}).save(tmp_path / "after")
    done = run_python("-c", KILLED, str(tmp_path / "before"), str(tmp_path / "after"), str(tmp_path / "homes"))
    assert int(done.stdout.split()[0]) >= 4


def test_savers_of_one_folder_leave_the_recipe_of_one_of_them(recipe, tmp_path):
    several = [replace(recipe, theta={"w": torch.full((1000,), float(number))}) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        saved = pool.map(lambda one: one.save(tmp_path), several * 4)
        read = []
        while len(read) < 30:
            if (tmp_path / "recipe.json").exists():
                read.append(metaopt.load_recipe(tmp_path))
        list(saved)
    assert all(one in several for one in [*read, metaopt.load_recipe(tmp_path)])
    assert names_in(tmp_path) == ["recipe.json", "theta.safetensors"]


def test_links_are_replaced_and_not_followed(recipe, tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "mine").mkdir()
    for name in ("recipe.json", "theta.safetensors"):
        (tmp_path / "mine" / name).symlink_to(tmp_path / "precious")
    recipe.save(tmp_path / "mine")
    assert (tmp_path / "precious").read_text() == "precious"
    assert metaopt.load_recipe(tmp_path / "mine") == recipe


def test_a_folder_may_be_a_link_to_a_folder(recipe, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "mine").symlink_to(tmp_path / "real")
    recipe.save(tmp_path / "mine")
    assert metaopt.load_recipe(tmp_path / "real") == recipe
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    with pytest.raises(metaopt.RecipeError, match=r"could not be written to .*lost"):
        recipe.save(tmp_path / "lost")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
@pytest.mark.parametrize("name", ["theta.safetensors", "recipe.json"])
def test_what_is_no_file_is_refused_and_replaced(recipe, tmp_path, make, name):
    recipe.save(tmp_path)
    (tmp_path / name).unlink()
    make(tmp_path / name)
    with pytest.raises(metaopt.RecipeError, match=rf"{name}' cannot be read|It holds no {name}"):
        metaopt.load_recipe(tmp_path)
    if make is not os.mkdir:
        recipe.save(tmp_path)
        assert metaopt.load_recipe(tmp_path) == recipe


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.float8_e4m3fn])
def test_weights_of_another_dtype_are_refused_by_name(tmp_path, dtype):
    shipped = metaopt.load_recipe("mlp_lopt")
    replace(shipped, theta={name: tensor.to(dtype) for name, tensor in shipped.theta.items()}).save(tmp_path)
    with pytest.raises(metaopt.InputError, match=f"are {str(dtype)[6:]}, and a learned rule takes float32"):
        metaopt.load_recipe(tmp_path).bind(nn.Linear(2, 1), total_steps=10)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_refused(recipe, tmp_path, value):
    replace(recipe, theta={**recipe.theta, "half": torch.tensor([1.0, value]).bfloat16()}).save(tmp_path)
    with pytest.raises(metaopt.RecipeError, match=r"The weights 'half' in .* hold numbers that are not finite"):
        metaopt.load_recipe(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"configuration": {"optimizer": "adamw", "hparams": {"adamw.lr": 10**400}}},
        {"configuration": {"optimizer": "adamw", "hparams": {"adamw.lr": -(10**400)}}},
        {"configuration": {"optimizer": "averaged" * 1000}},
        {"configuration": {"optimizer": "adamw", "hparams": {"x" * 5000: 1}}},
        {"configuration": {"optimizer": "adamw", "hparams": {"adamw.lr": ["deep " * 1000]}}},
        {"configuration": {"optimizer": "adamw", "wrappers": ["x" * 5000]}},
        {"configuration": {"optimizer": "adamw", "wrappers": 3}},
        {"configuration": {"optimizer": "adamw", "no_decay": "1" * 5000}},
        {"configuration": {"optimizer": ["adamw"]}},
        {"stopper": {"name": "patience", "hparams": {"patience": 10**400}}},
        {"stopper": {"name": "any", "stoppers": [{"x" * 5000: 1}]}},
        {"stopper": {"name": "any", "stoppers": 3}},
        {"num_validations": 10**400},
        {"num_validations": "n" * 5000},
        {"made_on": {"parameters": [1, 10**400]}},
        {"made_on": {"loss": [0, 10**400]}},
        {"made_on": {"dtypes": 3}},
        {"made_on": {"dtypes": ["\ud800"]}},
        {"theta_sha256": 3},
        {"theta_sha256": "../" * 30},
        {"theta_sha256": "0" * 5000},
        {"schema": 10**400},
        {"plugins": {"optimizer adamw": "v" * 5000}},
        {"x" * 5000: 1},
    ],
)
def test_hostile_fields_end_in_one_short_sentence_or_do_no_harm(recipe, tmp_path, changes):
    replace(recipe, theta=None).save(tmp_path)
    rewrite(tmp_path, **changes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem = fault_of(lambda: metaopt.load_recipe(tmp_path).bind(nn.Linear(2, 1), total_steps=10))
    assert problem is None or (problem.exit_code == 2 and len(str(problem)) < 500 and "\n" not in str(problem))


def fault_of(act):
    try:
        act()
    except metaopt.MetaOptError as error:
        return error
    return None
