"""Names without what wrappers put into them."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.parameter_roles import bare_name, checked_role, overridden


def test_wrappers_leave_no_trace_in_names():
    model = nn.Sequential(nn.Linear(2, 1))
    names = [name for name, _ in model.named_parameters()]
    averaged = torch.optim.swa_utils.AveragedModel(nn.DataParallel(model))
    assert [bare_name(name) for name, _ in averaged.named_parameters()] == names
    assert [bare_name(f"_orig_mod.{name}") for name in names] == names


FOUND = {"body.0.weight": "input", "body.0.bias": "vector", "out.weight": "head"}


def test_patterns_override_what_was_found():
    assert overridden(FOUND, {"out.*": "matrix"}) == {**FOUND, "out.weight": "matrix"}
    assert overridden(FOUND, {"*.weight": "matrix", "body.*.weight": "matrix"})["out.weight"] == "matrix"
    assert overridden(FOUND, None) == FOUND


def test_patterns_are_of_names_without_wrappers_too():
    model = nn.DataParallel(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)))
    assert metaopt.roles(model, {"0.weight": "matrix"})["module.0.weight"] == "matrix"
    assert metaopt.roles(model, {"module.0.weight": "matrix"})["module.0.weight"] == "matrix"


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ({"lm_head.*": "head"}, r"The pattern 'lm_head\.\*' matches no parameter; there are body\.0\.weight"),
        (
            {"body.*": "matrix", "*.bias": "head"},
            r"'body\.0\.bias' is matched by 'body\.\*' as matrix and by '\*\.bias' as head; leave one",
        ),
        ({"body.*": "matrx"}, r"'body\.\*': A role is one of matrix, .*, got 'matrx'; did you mean 'matrix'\?"),
        ({"body.*": 3}, r"A role is one of matrix, embedding, head, vector, input, got 3"),
        (["body.*"], r"roles must map patterns of names to roles"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused_in_a_sentence(patterns, message):
    with pytest.raises(metaopt.InputError, match=message):
        overridden(FOUND, patterns)


def test_a_role_is_known_by_its_name():
    assert checked_role("matrix") == "matrix"
    with pytest.raises(metaopt.InputError, match=r"^A param group's role: A role is one of"):
        checked_role("Matrix", "A param group's role: ")
