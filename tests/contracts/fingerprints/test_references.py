"""What a function refers to by name, and nothing that it does not."""

import importlib
import itertools
import math

import pytest
import torch

from metaopt.contracts.fingerprints import source
from metaopt.contracts.fingerprints.references import is_library, references

_numbers = itertools.count()


@pytest.fixture
def own_modules(tmp_path, monkeypatch):
    """Makes modules of a user's, by their texts."""
    monkeypatch.syspath_prepend(tmp_path)

    def own_modules(text):
        name = f"referred_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return own_modules


def referred(module):
    function = module.loss
    return references(function, source.definition(function.__code__, function.__globals__))


def test_globals_that_it_uses_are_there_by_name(own_modules):
    module = own_modules(
        "import math\nscale, other = 3, 4\n\ndef loss(x):\n    y = x\n    return math.sqrt(y) * scale\n"
    )
    assert referred(module) == {"math": math, "scale": 3}


def test_what_it_changes_itself_is_left_out(own_modules):
    module = own_modules("calls, scale = [], 3\n\ndef loss(x):\n    calls.append(x)\n    return x * scale\n")
    assert referred(module) == {"scale": 3}


def test_what_is_asked_of_an_own_module_is_there_by_its_own_name(own_modules):
    near = own_modules("scale, other = 3, 4\n")
    module = own_modules(f"import {near.__name__} as near\n\ndef loss(x):\n    return x * near.scale\n")
    assert referred(module) == {"near": near, "near.scale": 3}


def test_what_it_imports_of_an_own_module_itself_is_there(own_modules):
    near = own_modules("scale, other = 3, 4\n")
    module = own_modules(f"def loss(x):\n    from {near.__name__} import scale as by\n    return x * by\n")
    assert referred(module) == {"by": 3}


@pytest.mark.parametrize("line", ["import math", "from torch import nn", "import no_such_module_anywhere"])
def test_what_it_imports_of_a_library_or_of_nobody_is_not(own_modules, line):
    assert referred(own_modules(f"def loss(x):\n    {line}\n    return x\n")) == {}


def test_libraries_are_told_from_own_modules(own_modules):
    assert is_library(math)
    assert is_library(torch.nn)
    assert not is_library(own_modules("scale = 3\n"))
