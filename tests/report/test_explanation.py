"""What a rule does is told by rates, directions and bars."""

import pytest

import metaopt
from metaopt import Configuration, Recipe
from metaopt.plugin import current_registry
from metaopt.report.explanation import Explained, draw_explained, explain, explained_table, sparkline
from tests.meta.conftest import small_waves

ROWS = [
    Explained("weight", (0.1, 0.2), (1.0, 0.0), {"gate": (0.25, 0.75)}),
    Explained("bias", (0.5,), (-1.0,), {}),
]


@pytest.mark.parametrize(
    ("values", "ends", "bars"),
    [
        ([0.0, 1.0, 2.0], (), "▁▅█"),
        ([3.0, 3.0], (), "▁▁"),
        ([-1.0, 0.0, 1.0], (-1.0, 1.0), "▁▅█"),
        ([-5.0, 5.0], (-1.0, 1.0), "▁█"),
    ],
)
def test_bars_lie_between_the_ends(values, ends, bars):
    assert sparkline(values, *ends) == bars


def test_a_table_shows_first_and_last_values_and_leaves_out_what_a_parameter_lacks():
    table = explained_table(ROWS, "episodes")
    assert table.columns == ("parameter", "rate", "", "cosine", "", "gate", "")
    assert table.rows[0] == ("weight", "0.1 → 0.2", "▁█", "1 → 0", "█▅", "0.25 → 0.75", "▁█")
    assert table.rows[1] == ("bias", "0.5", "▁", "-1", "▁", "", "")


def test_plain_descent_goes_against_the_gradient_at_its_rate():
    recipe = Recipe.create(Configuration("sgd", hparams={"sgd.lr": 0.25, "sgd.momentum": 0.0}))
    rows = explain(recipe, small_waves(), current_registry(), num_steps=2)
    assert rows
    for row in rows:
        assert row.rate == pytest.approx((0.25, 0.25), rel=1e-4)
        assert row.cosine == pytest.approx((1.0, 1.0), rel=1e-4)


def test_each_role_goes_at_its_own_rate():
    hparams = {"sgd.lr": 0.25, "adagrad.lr": 0.5}
    roles = {"input": {"rate": 0.5}, "head": {"optimizer": "adagrad"}}
    recipe = Recipe.create(Configuration("sgd", hparams=hparams, roles=roles))
    task = small_waves()
    found = metaopt.roles(task.build(0))
    rows = {row.name: row for row in explain(recipe, task, current_registry(), num_steps=2)}
    assert {"input", "head", "vector"} <= {found[name] for name in rows}
    for name, row in rows.items():
        if found[name] == "head":
            assert row.rate[0] > row.rate[1]  # AdaGrad slows down
        else:
            rate = 0.125 if found[name] == "input" else 0.25
            assert row.rate == pytest.approx((rate, rate), rel=1e-4)


def test_the_picture_is_a_png(tmp_path):
    draw_explained(ROWS, tmp_path / "rule.png")
    assert (tmp_path / "rule.png").read_bytes().startswith(b"\x89PNG")
