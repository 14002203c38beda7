"""An error of a plugin leads to a line of its file."""

import functools
import importlib.util

import pytest
import torch

from metaopt.testing.location import Location, definition, functions_of, literal, locate, where_it_returns

TEXT = """import functools


def decorated(function):
    @functools.wraps(function)
    def inner(*arguments):
        return function(*arguments)
    return inner


@functools.cache
def cached(value):
    def helper():
        return 3
    return value


def two_ends(value):
    if value:
        return 1
    return 2


def fails(value):
    return 1 / value


NAME = "momentum_sgd"
pair = lambda first: first
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A plugin's module, in the current folder."""
    path = tmp_path / "plugin.py"
    path.write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("located_plugin", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line_of(text):
    return next(number for number, line in enumerate(TEXT.splitlines(), start=1) if text in line)


def test_a_location_reads_as_editors_know_it():
    assert str(Location("mine.py", 3, "return 1")) == "mine.py:3: return 1"


def test_an_error_leads_to_the_innermost_line_of_the_plugin(plugin):
    with pytest.raises(ZeroDivisionError) as raised:
        plugin.fails(0)
    assert locate(plugin.fails, raised.value.__traceback__) == Location(
        "plugin.py", line_of("return 1 / value"), "return 1 / value"
    )


def test_an_error_elsewhere_leads_to_no_line(plugin):
    with pytest.raises(RuntimeError) as raised:
        torch.ones(2) @ torch.ones(3)
    assert locate(plugin.fails, raised.value.__traceback__) is None


def test_a_definition_is_the_def_and_not_its_decorator(plugin):
    function = plugin.cached.__wrapped__
    assert definition(function) == Location("plugin.py", line_of("def cached"), "def cached(value):")
    assert definition(torch.add) is None


def test_the_only_return_is_where_it_returns(plugin):
    assert where_it_returns(plugin.cached.__wrapped__).source == "return value"
    assert where_it_returns(plugin.fails).line == line_of("return 1 / value")


def test_of_several_returns_the_definition_is_shown(plugin):
    assert where_it_returns(plugin.two_ends).source == "def two_ends(value):"
    assert where_it_returns(plugin.pair).source == "pair = lambda first: first"


def test_a_text_leads_to_the_line_that_holds_it(plugin):
    assert literal(plugin.fails, "momentum_sgd").line == line_of("momentum_sgd")
    assert literal(plugin.fails, "momentum") is None


def test_functions_are_reached_through_closures_partials_and_classes(plugin):
    class Holder:
        def method(self):
            return 1

    wrapped = plugin.decorated(plugin.fails)
    assert plugin.fails in functions_of(wrapped)
    assert functions_of(functools.partial(plugin.two_ends, plugin.fails)) == [plugin.two_ends, plugin.fails]
    assert functions_of(Holder()) == [Holder.method]
    assert functions_of(Holder().method) == [Holder.method]
    assert functions_of([plugin.fails, plugin.fails]) == [plugin.fails]


def test_functions_of_metaopt_torch_and_the_standard_library_are_not_the_plugins():
    assert functions_of([torch.nn.functional.relu, functools.wraps, locate]) == []
