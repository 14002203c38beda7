"""`metaopt check` holds anyone's plugin against its contract and names the offending line."""

import json
import sys
import textwrap

import pytest

from metaopt import PluginError
from metaopt.cli import run
from metaopt.cli.checked_plugins import chosen
from metaopt.plugin import current_registry, registry
from metaopt.plugin.registry import Registry

PLUGIN = """
import torch
import metaopt


def init(param, hparams, theta, horizon):
    return {"m": torch.zeros_like(param)}


def update(grad, state, param, hparams, theta, info):
    BODY


@metaopt.hookimpl
def metaopt_plugins():
    return [metaopt.OptimizerSpec(
        name="mine", version="1", rule=metaopt.per_tensor(init, update),
        space={"lr": metaopt.Float(1e-4, 1e-1, log=True)},
    )]
"""

GOOD = """
m = 0.9 * state["m"] + grad
return -hparams["lr"] * m, {"m": m}
"""

#: A mistake, the check that must catch it, what it must say, and the line it must name.
MISTAKES = {
    "an in-place write": (
        'state["m"].mul_(0.9).add_(grad)\nreturn -hparams["lr"] * state["m"], {"m": state["m"].clone()}',
        "leaves_inputs_alone",
        "writes in place (mul_) to a tensor that it was given",
        'state["m"].mul_(0.9).add_(grad)',
    ),
    "a changed dict": (
        'state["m"] = 0.9 * state["m"] + grad\nreturn -hparams["lr"] * state["m"], state',
        "leaves_inputs_alone",
        "changes a dict that it was given",
        'state["m"] = 0.9 * state["m"] + grad',
    ),
    "item": (
        'lr = hparams["lr"].item()\nreturn -lr * grad, dict(state)',
        "is_pure",
        "reads a tensor's value (.item(), float(), int())",
        'lr = hparams["lr"].item()',
    ),
    "float": (
        'lr = float(hparams["lr"])\nreturn -lr * grad, dict(state)',
        "is_pure",
        "reads a tensor's value (.item(), float(), int())",
        'lr = float(hparams["lr"])',
    ),
    "an if": (
        'if info.step > 3:\n    grad = 2 * grad\nreturn -hparams["lr"] * grad, dict(state)',
        "is_pure",
        "decides by Python (if, while",
        "if info.step > 3:",
    ),
    "a norm in a coordinate rule": (
        'return -hparams["lr"] * grad / (grad.norm() + 1), dict(state)',
        "granularity_is_true",
        "granularity is 'coordinate', but laid end to end",
        "def update(grad, state, param, hparams, theta, info):",
    ),
    "a root without an epsilon": (
        'm = state["m"] + grad * grad\nreturn -hparams["lr"] * grad / (m.sqrt() + 1e-8), {"m": m}',
        "has_finite_meta_gradients",
        "keep an epsilon inside a root",
        'return -hparams["lr"] * grad / (m.sqrt() + 1e-8), {"m": m}',
    ),
    "randomness": (
        'return -hparams["lr"] * grad * torch.rand(()), dict(state)',
        "is_deterministic",
        "draws from the global random generator",
        'return -hparams["lr"] * grad * torch.rand(()), dict(state)',
    ),
    "a lost key": (
        'return -hparams["lr"] * grad, {}',
        "keeps_dtypes_and_shapes",
        "update returned the state keys {}, init made {m}.",
        'return -hparams["lr"] * grad, {}',
    ),
    "a borrowed tensor": (
        'return -hparams["lr"] * grad, {"m": grad}',
        "state_is_its_own",
        "copy it: param.clone()",
        "def update(grad, state, param, hparams, theta, info):",
    ),
    "a NaN at the edge": (
        'return -hparams["lr"] * grad / (hparams["lr"] - 1e-4), dict(state)',
        "holds_at_the_edges",
        "With mine.lr=0.0001, parameters after step 1: scalar is not finite",
        'return -hparams["lr"] * grad / (hparams["lr"] - 1e-4), dict(state)',
    ),
    "another key": (
        'return -hparams["lr"] * grad, {"mom": state["m"]}',
        "keeps_dtypes_and_shapes",
        "update returned the state keys {mom}, init made {m}.",
        'return -hparams["lr"] * grad, {"mom": state["m"]}',
    ),
    "None": (
        "return None",
        "keeps_dtypes_and_shapes",
        "update must return (update, new_state), got None.",
        "return None",
    ),
    "no return": (
        "m = grad",
        "keeps_dtypes_and_shapes",
        "update must return (update, new_state), got None.",
        "def update(grad, state, param, hparams, theta, info):",
    ),
    "an update alone": (
        'return -hparams["lr"] * grad',
        "keeps_dtypes_and_shapes",
        "update must return (update, new_state), got a tensor of shape ().",
        'return -hparams["lr"] * grad',
    ),
    "numpy": (
        'return (-hparams["lr"] * grad).numpy(), dict(state)',
        "keeps_dtypes_and_shapes",
        "The update must be a tensor, got a numpy.ndarray.",
        'return (-hparams["lr"] * grad).numpy(), dict(state)',
    ),
    "a float in the state": (
        'return -hparams["lr"] * grad, {"m": 0.5}',
        "keeps_dtypes_and_shapes",
        "The state that update returns must be a dict of tensors by name, got a float (0.5) for 'm'.",
        'return -hparams["lr"] * grad, {"m": 0.5}',
    ),
    "another shape": (
        'return -hparams["lr"] * grad.sum(), dict(state)',
        "keeps_dtypes_and_shapes",
        "The update has shape (), but the parameter has (5,).",
        'return -hparams["lr"] * grad.sum(), dict(state)',
    ),
    "another shape of the state": (
        'return -hparams["lr"] * grad, {"m": state["m"].sum()}',
        "keeps_dtypes_and_shapes",
        "update returned the state 'm' of shape (), init made it of shape (5,).",
        'return -hparams["lr"] * grad, {"m": state["m"].sum()}',
    ),
    "NaN": (
        'return grad / (hparams["lr"] - hparams["lr"]), dict(state)',
        "keeps_dtypes_and_shapes",
        "The update is not finite, given a tensor of shape () and torch.float32 and a gradient that are.",
        'return grad / (hparams["lr"] - hparams["lr"]), dict(state)',
    ),
    "what an empty tensor has not": (
        'return -hparams["lr"] * grad / grad.abs().max(), dict(state)',
        "keeps_dtypes_and_shapes",
        "(given a tensor of shape (0, 3) and torch.float32)",
        'return -hparams["lr"] * grad / grad.abs().max(), dict(state)',
    ),
    "the wrong sign": (
        'return hparams["lr"] * grad, dict(state)',
        "lowers_a_quadratic",
        "Is the sign right (updates are added to parameters)",
        "def update(grad, state, param, hparams, theta, info):",
    ),
    "nothing": (
        "return 0 * grad, dict(state)",
        "lowers_a_quadratic",
        "it is 1 times that after 5 steps, 1 times that after 1000 steps.",
        "def update(grad, state, param, hparams, theta, info):",
    ),
    "a loss that is not declared": (
        'return -hparams["lr"] * info.loss * grad, dict(state)',
        "keeps_dtypes_and_shapes",
        'Declare requires={"loss"} in the spec: what nobody requires is not supplied.',
        'return -hparams["lr"] * info.loss * grad, dict(state)',
    ),
    "a signal that is not declared": (
        'return -hparams["lr"] * info.signals["gradient_norm"] * grad, dict(state)',
        "keeps_dtypes_and_shapes",
        "KeyError: 'gradient_norm' (given a tensor of shape () and torch.float32). "
        'Declare requires={"gradient_norm"} in the spec',
        'return -hparams["lr"] * info.signals["gradient_norm"] * grad, dict(state)',
    ),
    "a horizon that is not declared": (
        'return -hparams["lr"] * (1 - info.step / info.horizon) * grad, dict(state)',
        "needs_no_horizon",
        'Declare requires={"horizon"} in the spec: what nobody requires is not supplied.',
        'return -hparams["lr"] * (1 - info.step / info.horizon) * grad, dict(state)',
    ),
    "an exception": (
        'return -hparams["learning_rate"] * grad, dict(state)',
        "keeps_dtypes_and_shapes",
        "It raised KeyError: 'learning_rate'",
        'return -hparams["learning_rate"] * grad, dict(state)',
    ),
}


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_current", None)


@pytest.fixture
def plugin_file(tmp_path):
    def write(body):
        path = tmp_path / "mine.py"
        path.write_text(PLUGIN.replace("    BODY", textwrap.indent(body.strip(), "    ")))
        return path

    return write


def test_a_sound_plugin_passes_with_exit_code_0(plugin_file, capsys):
    assert run(["check", str(plugin_file(GOOD))]) == 0
    text = capsys.readouterr().out
    assert text.startswith("optimizer mine\n")
    assert " 0 failed" in text


@pytest.mark.slow
@pytest.mark.parametrize(("body", "check", "message", "line"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_line(plugin_file, capsys, body, check, message, line):
    path = plugin_file(body)
    assert run(["check", str(path)]) == 2
    lines = capsys.readouterr().out.splitlines()
    (index,) = [index for index, text in enumerate(lines) if text.split()[:1] == ["FAILED"]]
    assert lines[index].split()[1] == check
    number = path.read_text().splitlines().index(next(t for t in path.read_text().splitlines() if line in t)) + 1
    assert message in lines[index + 1]
    assert lines[index + 2].strip() == f"{path}:{number}: {line}"


@pytest.mark.parametrize(
    ("signature", "line", "message"),
    [
        (
            "def update(grad, state, param, hparams, theta):",
            "def update(grad, state, param, hparams, theta):",
            "update is called with (grad, state, param, hparams, theta, info), which it does not take",
        ),
        (
            "def update(grad, state, param, hparams, theta, info, more):",
            "def update(grad, state, param, hparams, theta, info, more):",
            "missing a required argument: 'more'",
        ),
    ],
)
def test_a_signature_that_does_not_fit_is_one_failure(plugin_file, capsys, signature, line, message):
    path = plugin_file(GOOD)
    path.write_text(path.read_text().replace("def update(grad, state, param, hparams, theta, info):", signature))
    assert run(["check", str(path)]) == 2
    text = capsys.readouterr().out
    assert text.count("FAILED") == 1
    assert message in text
    assert line in text


def test_what_could_not_run_is_one_line(plugin_file, capsys):
    path = str(plugin_file("return None"))
    assert run(["check", path]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "further checks could not run because of what failed" in line] == [lines[-2]]
    assert run(["check", path, "--verbose"]) == 2
    assert "It could not run: keeps_dtypes_and_shapes failed." in capsys.readouterr().out


def test_an_installed_plugin_is_checked_by_name(capsys):
    assert run(["check", "cosine"]) == 0
    assert "controller cosine" in capsys.readouterr().out


def test_verbose_says_why_a_check_does_not_apply(capsys):
    assert run(["check", "cosine", "-v"]) == 0
    assert "It sees no metric." in capsys.readouterr().out


def test_an_unknown_plugin_is_exit_code_2_with_a_suggestion(capsys):
    assert run(["check", "cosin"]) == 2
    assert (
        "error: There is no plugin, distribution or entry point 'cosin'; did you mean 'cosine'?"
        in capsys.readouterr().err
    )


def test_a_kind_that_does_not_exist_lists_the_kinds(capsys):
    assert run(["check", "cosine", "--kind", "schedule"]) == 2
    assert (
        "kinds: optimizer, wrapper, controller, stopper, learner, weighting, surgery, corpus" in capsys.readouterr().err
    )


def test_a_plugin_of_another_kind_is_not_found(capsys, plugin_file):
    assert run(["check", "cosine", "--kind", "optimizer"]) == 2
    assert "There is no optimizer 'cosine'" in capsys.readouterr().err
    assert run(["check", str(plugin_file(GOOD)), "--kind", "stopper"]) == 2
    assert "has no plugin of kind 'stopper'; it offers optimizer 'mine'" in capsys.readouterr().err


def test_a_file_that_cannot_be_imported_is_named_with_its_line(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text("import metaopt\n\nmetaopt.Adam\n")
    assert run(["check", str(path)]) == 2
    assert f"error: Plugin file {str(path)!r}, line 3, cannot be loaded: AttributeError" in capsys.readouterr().err


def test_a_plugin_of_another_file_is_checked_by_name(plugin_file, capsys):
    assert run(["check", "mine", "--plugin", str(plugin_file(GOOD))]) == 0
    assert "optimizer mine" in capsys.readouterr().out


BY_DTYPE = """
if param.dtype == torch.bfloat16:
    grad = grad.nonsense()
if param.dtype == torch.float64:
    return grad.sum(), dict(state)
return -hparams["lr"] * grad, dict(state)
"""


def test_one_run_reports_every_dtype(plugin_file, capsys):
    path = plugin_file(BY_DTYPE)
    assert run(["check", str(path)]) == 2
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "In torch.float64" in line]
    assert "In torch.float64: The update has shape (), but the parameter has (5,)." in line
    assert "In torch.bfloat16: It raised AttributeError: 'Tensor' object has no attribute 'nonsense'" in line
    assert f"({path}:{path.read_text().splitlines().index('        grad = grad.nonsense()') + 1})" in line


def test_dtypes_that_fail_alike_are_named_together(plugin_file, capsys):
    assert run(["check", str(plugin_file("return None"))]) == 2
    assert "got None. The same in torch.float64, torch.bfloat16." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("native", "message"),
    [
        ('metaopt.Native(module="torch.optim", qualname="SDG")', "torch.optim has no 'SDG'; did you mean 'SGD'?"),
        ('metaopt.Native(module="torch.optim", qualname="X9")', "has no 'X9'; correct qualname='X9'."),
        (
            'metaopt.Native(module="torch.optin", qualname="SGD")',
            "ModuleNotFoundError: No module named 'torch.optin'; correct module='torch.optin'.",
        ),
    ],
)
def test_a_class_that_is_not_there_is_named_where_the_spec_names_it(plugin_file, capsys, native, message):
    path = plugin_file(GOOD)
    path.write_text(path.read_text().replace("        space=", f"        native={native},\n        space="))
    assert run(["check", str(path)]) == 2
    text = capsys.readouterr().out
    assert message in text
    number = next(index for index, line in enumerate(path.read_text().splitlines(), 1) if "native=" in line)
    assert f"{path}:{number}: native={native}," in text


def test_several_are_a_line_each_and_what_fails(plugin_file, capsys):
    assert run(["check", "cosine", str(plugin_file("return None")), "target", "cosine"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if "passed, " in line] == [
        "ok      controller cosine",
        "FAILED  optimizer mine",
        "ok      stopper target",
    ]
    assert "    update must return (update, new_state), got None." in "\n".join(lines)
    assert lines[-1] == "3 plugins: optimizer mine failed"


def test_several_that_pass_say_so(capsys):
    assert run(["check", "cosine", "linear"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 plugins: all passed"


def test_json_holds_every_check_and_the_line_of_a_failure(plugin_file, capsys):
    path = plugin_file("return None")
    assert run(["check", "cosine", str(path), "--json"]) == 2
    good, bad = json.loads(capsys.readouterr().out)
    assert (good["kind"], good["name"], good["version"], good["passed"]) == ("controller", "cosine", "1", True)
    assert {check["status"] for check in good["checks"]} == {"passed", "skipped"}
    assert not bad["passed"]
    (failed,) = [check for check in bad["checks"] if check["status"] == "failed"]
    assert (failed["check"], failed["path"], failed["source"]) == (
        "keeps_dtypes_and_shapes",
        str(path),
        "return None",
    )
    assert path.read_text().splitlines()[failed["line"] - 1].strip() == "return None"


def test_nothing_is_checked_if_one_name_is_unknown(capsys):
    assert run(["check", "cosine", "cosin"]) == 2
    assert capsys.readouterr().out == ""


@pytest.fixture
def package(tmp_path, capsys):
    """The folder of a new package, and its file with the plugin."""
    folder = tmp_path / "metaopt-small-step"
    assert run(["new-plugin", "small_step", "--kind", "optimizer", "--out", str(folder)]) == 0
    capsys.readouterr()
    return folder, folder / "src" / "metaopt_small_step" / "small_step.py"


@pytest.mark.slow
@pytest.mark.parametrize("where", ["folder", ".", "folder/"])
def test_the_folder_of_a_package_stands_for_its_files(package, capsys, monkeypatch, where):
    folder, _ = package
    monkeypatch.chdir(folder if where == "." else folder.parent)
    assert run(["check", where.replace("folder", folder.name)]) == 0
    assert capsys.readouterr().out.startswith("optimizer small_step\n")


@pytest.mark.parametrize("project", [None, "[project]\nname = 'x'\n", "no TOML", "project = 3\n"])
def test_any_other_folder_says_what_to_name(tmp_path, capsys, project):
    if project is not None:
        (tmp_path / "pyproject.toml").write_text(project)
    assert run(["check", str(tmp_path)]) == 2
    text = capsys.readouterr().err
    assert "has no file with a function metaopt_plugins; name a file that ends in .py, or a folder whose" in text
    assert len(text.splitlines()) == 1


@pytest.mark.slow
def test_a_package_is_checked_by_its_file_and_folder_while_it_is_installed_from_there(package, tmp_path, monkeypatch):
    folder, source = package
    site = tmp_path / "site"
    info = site / "metaopt_small_step-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: metaopt-small-step\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[metaopt]\nsmall_step = metaopt_small_step\n")
    # What an editable installation comes to: the metadata on the path, and the sources, too.
    monkeypatch.syspath_prepend(site)
    monkeypatch.syspath_prepend(folder / "src")
    try:
        assert str(current_registry().source(chosen(["small_step"], "", current_registry())[0])).startswith(
            "metaopt-small"
        )
        assert run(["check", str(source)]) == 0
        assert run(["check", str(folder), "--plugin", str(source)]) == 0
        copy = tmp_path / "small_step.py"
        copy.write_text(source.read_text())
        with pytest.raises(PluginError, match="is defined twice"):
            chosen([str(copy)], "", Registry.discover())
    finally:
        for name in ("metaopt_small_step", "metaopt_small_step.small_step"):
            sys.modules.pop(name, None)


@pytest.mark.thorough
@pytest.mark.slow
def test_all_also_trains_it_on_two_ranks(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(PLUGIN.replace("BODY", textwrap.indent(GOOD, "    ").strip()))
    assert run(["check", str(tmp_path / "mine.py"), "--all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in ("trains_in_hosts_that_step", "ranks_agree", "trains_sharded"):
        assert any(line.startswith(f"  ok      {name}") for line in lines)
