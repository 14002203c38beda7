"""Episodes of waves: what is drawn, and that a wave is the same for support and queries."""

import math

import pytest
import torch

from metaopt_corpora.sinusoid_episodes import SinusoidEpisodes, load_sinusoids


def drawn(source, partition="train", count=200, seed=0):
    return source.sample(partition, count, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("partition", "queries"), [("train", 7), ("validation", 100), ("test", 100)])
def test_queries_are_few_in_meta_training_and_a_hundred_otherwise(partition, queries):
    episodes = drawn(SinusoidEpisodes(5, queries=7), partition, count=3)
    assert episodes.support_inputs.shape == (3, 5, 1)
    assert episodes.query_targets.shape == (3, queries, 1)


def test_support_and_queries_lie_on_one_wave_of_the_papers_ranges():
    """Fitted to the queries by least squares at the best of many frequencies, the wave goes through the support."""
    episodes = drawn(SinusoidEpisodes(10), "test", count=40)
    for support_x, support_y, query_x, query_y in zip(*(one.double() for one in episodes.tensors), strict=True):
        fits = []
        for frequency in torch.linspace(0.8, 1.2, 401, dtype=torch.float64):
            table = torch.cat([torch.sin(frequency * query_x), torch.cos(frequency * query_x)], dim=1)
            line = torch.linalg.lstsq(table, query_y).solution
            fits.append((float((table @ line - query_y).abs().max()), float(frequency), line))
        left, frequency, line = min(fits, key=lambda fit: fit[0])
        amplitude, phase = float(line.norm()), math.atan2(float(line[1]), float(line[0]))
        assert left < 0.01 * amplitude
        assert 0.09 < amplitude < 5.01
        assert -0.01 < phase < math.pi + 0.01
        wave = amplitude * torch.sin(frequency * support_x + phase)
        torch.testing.assert_close(support_y, wave, rtol=0, atol=0.01 * amplitude)


def test_points_are_even_over_ten_units():
    points = drawn(SinusoidEpisodes(10)).support_inputs
    assert float(points.abs().max()) <= 5
    assert float(points.std()) == pytest.approx(10 / 12**0.5, rel=0.05)


def test_equal_generators_draw_equal_episodes_and_what_decides_them_is_in_the_fingerprint():
    first, same, other = (drawn(SinusoidEpisodes(5), seed=seed).query_targets for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    prints = {SinusoidEpisodes(shots, queries).fingerprint for shots, queries in ((5, 10), (10, 10), (5, 11))}
    assert len(prints) == 3


def test_the_corpus_has_waves_of_five_and_of_ten_points():
    corpus = load_sinusoids()
    assert [task.name for task in corpus] == ["sinusoids_5_shot", "sinusoids_10_shot"]
    assert [len(task.examples[0]) for task in corpus] == [5, 10]
    assert sum(param.numel() for param in corpus["sinusoids_5_shot"].build(0).parameters()) == 80 + 1640 + 41
