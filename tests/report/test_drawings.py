"""Which plots a result has something to show for."""

import pytest

from metaopt.report.drawings import draw_all, drawings

pytestmark = pytest.mark.thorough


def test_a_study_with_folds_has_them_all(result):
    names = set(drawings(result))
    assert {"scores", "worth", "profile", "curves_held_out", "curves_tuning", "race", "rungs", "importance"} <= names


def test_black_boxes_have_no_curves(black_box):
    assert not {"curves_held_out", "curves_tuning", "worth"} & set(drawings(black_box))


def test_importance_says_how_it_was_measured(result):
    caption = drawings(result)["importance"].caption
    assert "the best 2 of 12 candidates" in caption
    assert "PED-ANOVA" in caption
    assert caption.endswith("So few are a hint.")


def test_each_is_a_png_and_an_svg(tuning_only, tmp_path):
    drawn = draw_all(tuning_only, tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {*drawn, "tasks_tuning"}
    assert all(one.svg.startswith("<svg") for one in drawn.values())
    assert set(draw_all(tuning_only, None)) == set(drawn)
