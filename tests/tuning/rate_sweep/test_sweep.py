import math

import numpy as np
import pytest

from metaopt.tuning import RateSweep

INF = math.inf
RATES = tuple(2.0**octave for octave in range(-3, 4))


def sweep(losses, rates=RATES, num_steps=100, total_steps=100):
    losses = tuple((loss,) if isinstance(loss, float) else tuple(loss) for loss in losses)
    return RateSweep(rates, losses, "the loss", num_steps, total_steps, 1.0, 0.25)


def parabola(vertex, noise=0.0, seeds=1):
    drawn = noise * np.random.default_rng(0).standard_normal((len(RATES), seeds))
    return [tuple((math.log2(rate) - vertex) ** 2 + drawn[place]) for place, rate in enumerate(RATES)]


@pytest.mark.parametrize("vertex", [-1.3, 0.0, 0.4, 1.9])
def test_the_best_rate_of_a_parabola_is_its_vertex(vertex):
    assert sweep(parabola(vertex)).best == pytest.approx(2**vertex)


def test_among_rates_that_noise_does_not_tell_apart_the_middle_is_taken():
    common = np.random.default_rng(1).standard_normal(4)
    losses = [
        (5.0, 6.0, 5.5, 6.5),
        *(tuple(0.01 * common + 0.02 * common[::-1] * (-1) ** k) for k in range(5)),
        (INF,) * 4,
    ]
    found = sweep(losses)
    assert found.as_good == RATES[1:6]
    assert found.best == pytest.approx(math.sqrt(RATES[1] * RATES[5]))


def test_a_difference_that_each_seed_shows_is_no_noise():
    losses = [(1.0 + place, 11.0 + place, 21.0 + place) for place in (3, 2, 1, 0, 1, 2, 3)]
    assert sweep(losses).as_good == (1.0,)


def test_where_training_diverges_is_said_and_such_rates_are_not_best():
    found = sweep([3.0, 2.0, 1.0, 0.5, INF, 0.4, INF])
    assert found.diverges_from == RATES[6]
    assert found.best == RATES[5]
    found = sweep([(3.0, 3.0), (2.0, 2.0), (1.0, 1.0), (0.5, 0.5), (0.4, 0.4), (0.1, INF), (INF, INF)])
    assert (found.diverges_from, found.best) == (RATES[5], RATES[4])
    assert "from 4 on training diverges" in found.summary()
    assert found.to_frame()["diverged"].tolist() == [0, 0, 0, 0, 0, 1, 2]


def test_all_may_diverge():
    found = sweep([INF] * 7)
    assert (found.best, found.suggestion, found.as_good, found.diverges_from) == (None, None, (), RATES[0])
    assert found.summary() == ("Every rate from 0.125 to 8 diverged: try lower ones, or look at the data.")


def test_a_short_look_suggests_a_lower_rate_by_the_law():
    whole, look = sweep(parabola(0.0)), sweep(parabola(0.0), num_steps=100, total_steps=1600)
    assert whole.suggestion == whole.best
    assert look.suggestion == pytest.approx(look.best / 2)
    assert "A look at 100 of 1,600 steps prefers rates 1.0 octaves too high: take 0.5." in look.summary()


def test_the_last_rate_of_a_side_is_no_end():
    found = sweep([float(-place) for place in range(7)])
    assert found.is_at_edge
    assert found.summary().endswith("It is the last one tried on its side: try further ones.")
    assert not sweep(parabola(0.0)).is_at_edge
