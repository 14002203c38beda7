"""A library's code is told from a user's own."""

import collections
import json
import sys
import types
from pathlib import Path

import pytest
import torch

import metaopt
from metaopt.contracts.fingerprints import libraries


class Own:
    """A class of the tests'."""

    def method(self):
        return self


@pytest.mark.parametrize(
    ("name", "file", "is_library"),
    [
        ("metaopt.contracts", "/home/me/metaopt/contracts/__init__.py", True),
        ("torch.nn", torch.nn.__file__, True),
        ("json", json.__file__, True),
        ("helpers", "/usr/lib/python3/dist-packages/helpers.py", True),
        ("helpers", "/opt/venv/site-packages/helpers.py", True),
        ("helpers", "<frozen helpers>", True),
        ("math", None, True),
        ("sys", None, True),
        ("torch._C", None, True),
        ("helpers", "/home/me/helpers.py", False),
        ("helpers", None, False),
        ("__main__", "/opt/venv/site-packages/runner.py", False),
        ("metaopt_optimizers.sgd", "/opt/venv/site-packages/metaopt_optimizers/sgd.py", False),
    ],
)
def test_modules_belong_to_a_library_by_name_or_place(name, file, is_library):
    assert libraries.is_library_module(name, file) is is_library


def test_functions_and_classes_belong_to_whoever_wrote_their_module():
    assert libraries.is_library_function(torch.nn.functional.mse_loss)
    assert not libraries.is_library_function(Own.method)
    assert libraries.is_library_class(torch.nn.Linear)
    assert libraries.is_library_class(collections.OrderedDict)
    assert not libraries.is_library_class(Own)


def test_a_librarys_name_leads_to_what_it_names():
    assert libraries.library_name(torch.nn.Linear) == "torch.nn.modules.linear:Linear"
    assert libraries.library_name(torch.nn.Linear.forward) == "torch.nn.modules.linear:Linear.forward"


def test_what_is_of_metaopt_goes_by_its_name_without_the_file():
    assert libraries.library_name(metaopt.Curve) == "metaopt:Curve"


def test_own_code_and_what_its_name_does_not_lead_to_have_no_librarys_name():
    assert libraries.library_name(Own) is None
    assert libraries.library_name(3) is None
    pretender = types.FunctionType(Own.method.__code__, {})
    pretender.__module__, pretender.__qualname__ = "torch.nn.modules.linear", "Linear"
    assert libraries.library_name(pretender) is None


def test_the_root_folder_holds_the_topmost_package():
    installed = Path(torch.__file__).parents[1]
    assert libraries.root_folder(torch) == str(installed)
    assert libraries.root_folder(torch.nn.functional) == str(installed)
    assert libraries.root_folder(sys) is None
    assert libraries.root_folder(None) is None
