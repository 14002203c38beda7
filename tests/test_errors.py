import pytest

import metaopt
from metaopt.errors import MetaOptError


@pytest.mark.parametrize("error", [metaopt.InputError, metaopt.PluginError, metaopt.RecipeError, metaopt.StorageError])
def test_the_user_s_mistakes_exit_with_2_and_are_value_errors(error):
    assert issubclass(error, MetaOptError)
    assert issubclass(error, ValueError)
    assert error("what to do").exit_code == 2
    assert str(error("what to do")) == "what to do"


def test_our_own_mistakes_exit_with_1():
    assert MetaOptError("sorry").exit_code == 1
    assert not issubclass(MetaOptError, ValueError)


def test_whatever_metaopt_raises_on_purpose_can_be_caught_at_once():
    for provoke in (
        lambda: metaopt.load_corpus(3),
        lambda: metaopt.create_stopper("patienc"),
        lambda: metaopt.load_recipe("nowhere"),
        lambda: metaopt.Float(2.0, 1.0),
    ):
        with pytest.raises(metaopt.MetaOptError):
            provoke()
