"""Classes that keep more than moments, with unusual parameters: they resume bit for bit, or are refused in a sentence.

The whole table is `python -m benchmarks.robustness.resumes`.
"""

import sys
from pathlib import Path

import pytest

pytest.importorskip("pytorch_optimizer", reason="pytorch-optimizer is not installed")
sys.path.insert(0, str(Path(__file__).parents[3]))

from benchmarks.robustness.resumes import all_optimizers, outcome_of

REGISTRY = all_optimizers()

#: Tensors in groups; a float32 number beside float64 moments; a queue; objects; masks from the start; averages; a
#: closure; an argument that no group holds; a list beside the groups; a list of float32 tensors.
EQUAL = [
    ("po_asgd", "plain"),
    ("po_dadaptlion", "unfrozen later"),
    ("torch_nadam", "float64"),
    ("nadamw/dog", "float64"),
    ("po_adashift", "unused"),
    ("po_conda", "tied"),
    ("po_scalableshampoo", "odd"),
    ("po_spam", "used later"),
    ("po_sara", "plain"),
    ("po_adafactor", "plain"),
    ("po_splus", "unused"),
    ("po_bsam", "unused"),
    ("po_alig", "unfrozen later"),
    ("po_ranger21", "used later"),
    ("po_adabound", "unfrozen later"),
    ("po_kron", "float64"),
]
REFUSED = [
    ("po_demo", "plain", "install what it names, or choose another optimizer"),
    ("po_distributedmuon", "plain", "it is for several processes that train one model; start them with torchrun"),
    ("po_fadam", "float64", "and torch.float64 here: RuntimeError"),
    ("torch_adafactor", "odd", "shape (0,) and torch.float32 here: ZeroDivisionError"),
    ("po_lbfgs", "unfrozen later", "cannot step 2 param groups here"),
    ("torch_sparseadam", "plain", "takes sparse gradients alone"),
]


@pytest.mark.parametrize(("name", "situation"), EQUAL)
def test_it_resumes_bit_for_bit_from_a_file_and_leaves_what_was_saved_alone(name, situation):
    assert outcome_of(name, situation, REGISTRY) == ("equal", "")


@pytest.mark.parametrize(("name", "situation", "words"), REFUSED)
def test_what_cannot_be_stepped_is_refused_in_a_sentence(name, situation, words):
    outcome, sentence = outcome_of(name, situation, REGISTRY)
    assert outcome == "refused"
    assert words in sentence
