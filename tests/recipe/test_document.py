import math
from dataclasses import replace

import pytest
import torch

import metaopt


def test_provenance_must_be_plain_json(recipe, tmp_path):
    for wrong in (math.nan, torch.ones(2), {1, 2}):
        with pytest.raises(metaopt.RecipeError, match="plain JSON"):
            replace(recipe, provenance={"score": wrong}).save(tmp_path)
    assert list(tmp_path.iterdir()) == []
