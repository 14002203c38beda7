"""The registry finds what is installed, says where it came from, and lets no plugin hurt another."""

import sys
import textwrap

import pytest
import torch

import metaopt
from metaopt.errors import InputError, PluginError
from metaopt.plugin.kinds import ControllerSpec, StopperSpec
from metaopt.plugin.optimizer import OptimizerSpec
from metaopt.plugin.registry import Registry, current_registry

GOOD = """
import metaopt

RULE = metaopt.per_tensor(
    init=lambda param, hparams, theta, horizon: {},
    update=lambda grad, state, param, hparams, theta, info: (-hparams["lr"] * grad, state),
)

def spec(name, **arguments):
    space = {"lr": metaopt.Float(1e-3, 1.0, log=True)}
    return metaopt.OptimizerSpec(**{"name": name, "version": "1", "rule": RULE, "space": space, **arguments})

@metaopt.hookimpl
def metaopt_plugins():
    return [spec("good")]
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution of one module for real: importlib.metadata finds its dist-info on the path."""

    modules = []

    def install(module, source, distribution=None, version="1.0"):
        name = distribution or module.replace("_", "-")
        site = tmp_path / name
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[metaopt]\n{module} = {module}\n")
        (site / f"{module}.py").write_text(textwrap.dedent(source))
        monkeypatch.syspath_prepend(site)
        modules.append(module)

    yield install
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def spec():
    """Makes small optimizer specs."""
    rule = metaopt.per_tensor(
        init=lambda param, hparams, theta, horizon: {},
        update=lambda grad, state, param, hparams, theta, info: (-grad, state),
    )
    return lambda name, **arguments: OptimizerSpec(name=name, version="1", rule=rule, **arguments)


def hook(body):
    return f"{GOOD}\n@metaopt.hookimpl\ndef metaopt_plugins():\n    {body}\n"


BROKEN = {
    "import_error": ("import nobody_has_this", "ModuleNotFoundError: No module named 'nobody_has_this'"),
    "raises": ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
    "exits": ("import sys; sys.exit('bye')", "SystemExit: bye"),
    "no_hook": ("x = 1", "has no metaopt_plugins function marked with @metaopt.hookimpl"),
    "unmarked_hook": ("def metaopt_plugins(): return []", "has no metaopt_plugins function marked"),
    "misspelt_hook": ("import metaopt\n@metaopt.hookimpl\ndef metaopt_plugin(): return []", "metaopt_plugin"),
    "wrong_arguments": ("import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins(config): return []", "config"),
    "no_list": (hook("return None"), "must return a list of specs"),
    "no_specs": (hook("return ['adam']"), "must return specs such as metaopt.OptimizerSpec(...), got 'adam'"),
    "wrong_api": (hook("return [spec('future', api=2)]"), "was written for api 2; this metaopt has api 1"),
    "bad_bounds": (
        hook("return [spec('bad', space={'lr': metaopt.Float(1.0, 0.1)})]"),
        "Bounds must be finite with low <= high, got low=1.0, high=0.1",
    ),
    "bad_space": (hook("return [spec('bad', space={'lr': 0.1})]"), "space['lr'] must be a Float, Int or Categorical"),
    "bad_condition": (
        hook("return [spec('bad', space={'lr': metaopt.Float(0, 1, when=metaopt.When('momentum', above=0))})]"),
        "name unknown hyperparameters",
    ),
    "bad_name": (hook("return [spec('My Optimizer')]"), "a name consists of lower case letters, digits and '_'"),
    "bad_signal": (hook("return [spec('bad', requires={'mood'})]"), "requires unknown signals ['mood']"),
    "no_rule": (hook("return [spec('bad', rule=len)]"), "rule lacks ['granularity'"),
    "twice": (hook("return [spec('same'), spec('same')]"), "'same' is defined twice"),
}


@pytest.mark.parametrize(("source", "cause"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_named_with_its_cause_and_the_rest_works(install, source, cause):
    install("aa_broken", source, "aa-broken-distribution", "0.3")
    install("zz_good", GOOD)
    with pytest.warns(RuntimeWarning, match="aa-broken-distribution 0.3"):
        registry = Registry.discover()
    assert "good" in registry.names(OptimizerSpec)
    assert "adamw" in registry.names(OptimizerSpec)
    (fault,) = registry.faults
    assert str(fault.source) == "aa-broken-distribution 0.3 (aa_broken = aa_broken)"
    assert cause in fault.cause
    (row,) = [row for row in registry.rows() if row["status"].startswith("broken")]
    assert row["distribution"] == "aa-broken-distribution"
    assert cause in row["status"]


@pytest.mark.parametrize(("source", "cause"), BROKEN.values(), ids=BROKEN)
def test_strict_discovery_raises_the_first_fault(install, source, cause):
    install("aa_broken", source)
    with pytest.raises(PluginError) as caught:
        Registry.discover(strict=True)
    assert "aa-broken 1.0" in str(caught.value)
    assert cause in str(caught.value)


@pytest.mark.parametrize(("source", "cause"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_raises_its_cause_and_loads_once_it_is_mended(tmp_path, source, cause):
    registry = Registry()
    path = tmp_path / "mine.py"
    path.write_text(source)
    with pytest.raises(PluginError) as caught:
        registry.load_file(path)
    assert "mine.py" in str(caught.value)
    assert cause in str(caught.value)
    path.write_text(GOOD)
    assert [spec.name for spec in registry.load_file(path)] == ["good"]
    assert registry.names(OptimizerSpec) == ["good"]


def test_a_plugin_has_its_provenance(install):
    install("mine", GOOD, "my-distribution", "2.1")
    registry = Registry.discover()
    good = registry.get(OptimizerSpec, "good")
    assert str(registry.source(good)) == "my-distribution 2.1 (mine = mine)"
    (row,) = [row for row in registry.rows() if row["name"] == "good"]
    assert row == {
        "name": "good",
        "kind": "optimizer",
        "version": "1",
        "distribution": "my-distribution",
        "distribution_version": "2.1",
        "entry_point": "mine = mine",
        "status": "ok",
        "summary": "",
    }


def test_built_in_plugins_come_through_the_same_door():
    sources = {entry.source.distribution for entry in Registry.discover()}
    assert sources == {"metaopt-torch"}


def test_two_plugins_of_one_name_are_both_named_and_neither_is_used(install):
    install("first", GOOD)
    install("second", GOOD)
    registry = Registry.discover()
    assert "good" not in registry.names(OptimizerSpec)
    (fault,) = registry.faults
    for text in (fault.cause, _message(lambda: registry.get(OptimizerSpec, "good"))):
        assert "The optimizer 'good' is defined twice, by first 1.0 (first = first) and by second 1.0" in text
        assert "METAOPT_PLUGINS" in text
    assert [row["status"] for row in registry.rows() if row["name"] == "good"] == ["duplicate", "duplicate"]
    with pytest.raises(PluginError, match="defined twice"):
        Registry.discover(strict=True)


def test_one_name_may_serve_two_kinds(spec):
    registry = Registry()
    registry.register(spec("flat"))
    registry.register(ControllerSpec(name="flat", version="1", controller=_Flat()))
    assert registry.get(OptimizerSpec, "flat").kind == "optimizer"
    assert registry.get(ControllerSpec, "flat").kind == "controller"


@pytest.mark.parametrize("restriction", ["mine", "my-distribution", " mine , optimizers "])
def test_the_environment_restricts_what_is_loaded(install, monkeypatch, restriction):
    install("mine", GOOD, "my-distribution")
    install("other", "raise RuntimeError('not even imported')")
    monkeypatch.setenv("METAOPT_PLUGINS", restriction)
    registry = Registry.discover()
    assert registry.faults == []
    assert "good" in registry.names(OptimizerSpec)
    assert registry.names(ControllerSpec) == []
    assert ("adamw" in registry.names(OptimizerSpec)) == ("optimizers" in restriction)


def test_a_restriction_to_what_is_not_installed_is_a_fault(monkeypatch):
    monkeypatch.setenv("METAOPT_PLUGINS", "optimisers, stoppers")
    with pytest.warns(RuntimeWarning, match="METAOPT_PLUGINS names 'optimisers', but no entry point"):
        registry = Registry.discover()
    assert len(registry.faults) == 1
    assert registry.names(StopperSpec)
    with pytest.raises(PluginError, match=r"known: none\..*METAOPT_PLUGINS leaves only optimisers, stoppers\."):
        registry.get(OptimizerSpec, "adamw")


def test_of_many_plugins_a_message_names_the_first_few():
    registry = Registry()
    for number in range(40):
        spec = OptimizerSpec(name=f"somebodys_optimizer_{number:02}", version="1", rule=metaopt.per_tensor(dict, dict))
        registry.register(spec)
    with pytest.raises(PluginError, match=r"known: somebodys_optimizer_00, .*_07 and 32 more\.$") as caught:
        registry.get(OptimizerSpec, "x" * 5000)
    assert len(str(caught.value)) < 500


def test_an_unknown_name_lists_the_known_ones_and_mentions_what_is_broken(install):
    install("broken", "import nobody_has_this")
    with pytest.warns(RuntimeWarning):
        registry = Registry.discover()
    message = _message(lambda: registry.get(OptimizerSpec, "adamv"))
    assert "There is no optimizer 'adamv'; did you mean 'adamw'? known: adafactor, adagrad, adamw" in message
    assert "1 plugin could not be loaded; see `metaopt plugins`" in message


def test_registering_again_replaces_the_earlier_one(spec):
    registry = Registry()
    registry.register(spec("mine", summary="first try"))
    registry.register(spec("mine", summary="second try"))
    assert registry.get(OptimizerSpec, "mine").summary == "second try"
    assert str(registry.source(registry.get(OptimizerSpec, "mine"))) == "(session)"


def test_registering_the_name_of_an_installed_plugin_names_both(spec):
    registry = Registry.discover()
    with pytest.raises(
        PluginError, match=r"'adamw' is defined twice, by metaopt-torch .* and by \(session\); .* name='my_adamw'"
    ):
        registry.register(spec("adamw"))
    assert registry.get(OptimizerSpec, "adamw").native is not None


@pytest.mark.parametrize("not_a_spec", ["adam", None, metaopt.PluginSpec(name="abstract", version="1")])
def test_only_specs_can_be_registered(not_a_spec):
    with pytest.raises(PluginError, match=r"specs such as metaopt\.OptimizerSpec"):
        Registry().register(not_a_spec)


def test_a_file_is_loaded_with_its_provenance_and_again_after_a_change(tmp_path):
    registry = Registry()
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    registry.load_file(path)
    path.write_text(GOOD.replace('spec("good")', 'spec("good", summary="better")'))
    registry.load_file(path)
    good = registry.get(OptimizerSpec, "good")
    assert good.summary == "better"
    assert str(registry.source(good)) == f"(file) ({path})"


def test_a_file_cannot_take_an_installed_name(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(GOOD.replace('"good"', '"adamw"'))
    registry = Registry.discover()
    with pytest.raises(
        PluginError, match=r"'adamw' is defined twice, by metaopt-torch .* and by \(file\) \(.*mine.py\)"
    ):
        registry.load_file(path)
    assert "adamw" in registry.names(OptimizerSpec)


def test_the_file_of_an_installed_plugin_takes_its_place_however_it_is_named(install, tmp_path):
    install("good_plugin", GOOD)
    path = tmp_path / "good-plugin" / "good_plugin.py"
    link = tmp_path / "link.py"
    link.symlink_to(path)
    registry = Registry.discover()
    for same in (path, link):
        (mine,) = registry.load_file(same)
        assert registry.get(OptimizerSpec, "good") is mine
        assert registry.source(mine).entry_point == str(same)


def test_a_copy_of_the_file_of_an_installed_plugin_is_another_one(install, tmp_path):
    install("good_plugin", GOOD)
    registry = Registry.discover()
    (tmp_path / "good_plugin.py").write_text(GOOD)
    with pytest.raises(PluginError, match=r"twice, .*, or check the installed one with `metaopt check good`\."):
        registry.load_file(tmp_path / "good_plugin.py")
    assert registry.source(registry.get(OptimizerSpec, "good")).distribution == "good-plugin"


@pytest.mark.parametrize("name", ["absent.py", "folder", "notes.txt"])
def test_what_is_no_plugin_file_is_named(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("not Python")
    with pytest.raises(InputError, match=name):
        Registry().load_file(tmp_path / name)


def test_a_plugin_that_is_registered_for_the_process_can_be_used_by_name(spec, monkeypatch):
    monkeypatch.setattr("metaopt.plugin.registry._current", None)
    metaopt.register(spec("only_here"))

    assert current_registry().get(OptimizerSpec, "only_here").name == "only_here"


class _Flat:
    def init(self, hparams):
        return {}

    def update(self, state, info, hparams):
        raise NotImplementedError


def _message(action):
    with pytest.raises(PluginError) as caught:
        action()
    return str(caught.value)


@pytest.mark.parametrize("given", [3, "sgd", {}])
def test_what_is_no_registry_is_refused(given):
    with pytest.raises(metaopt.InputError, match=r"is no metaopt.plugin.Registry; leave it out"):
        metaopt.load_recipe("default").bind(torch.nn.Linear(2, 1), registry=given)


@pytest.mark.parametrize("raised", ["SystemExit(3)", "KeyboardInterrupt", "GeneratorExit", "BaseException('x' * 5000)"])
@pytest.mark.parametrize("where", ["module", "hook"])
def test_a_plugin_that_raises_no_ordinary_exception_hurts_nobody(install, tmp_path, raised, where):
    hook = f"import metaopt\n@metaopt.hookimpl\ndef metaopt_plugins():\n    raise {raised}\n"
    source = f"raise {raised}\n" if where == "module" else hook
    install("rude_plugin", source)
    install("good_plugin", GOOD)
    kind = raised.partition("(")[0]
    with pytest.warns(RuntimeWarning, match=f"rude-plugin 1.0 .* is left out: {kind}"):
        registry = Registry.discover()
    assert registry.get(OptimizerSpec, "good")
    (tmp_path / "rude.py").write_text(source)
    with pytest.raises(PluginError, match=f"cannot be loaded: {kind}") as caught:
        Registry().load_file(tmp_path / "rude.py")
    assert len(str(caught.value)) < 500
