"""The ladder: one axis at a time around the middle of each family, by names that say so, climbed from the cheapest."""

import sys
from pathlib import Path

import pytest
import torch

from metaopt.contracts import num_trained
from metaopt.inner import loop_reason
from metaopt.tuning.judging.scaled import scaled_tasks
from metaopt.tuning.search.racing import race_order, rungs

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are not installed

from benchmarks.corpora.ladder import AXES, axis_of, families, ladder  # noqa: E402

DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the development data ../shared/data is absent")

CORPUS = ladder(DATA)
TASKS = {task.name: task for task in CORPUS}
OF_BATCH_NORM = ("resnet_middle", "depthwise_middle")
MIDDLES = [f"{family}_middle" for family in CORPUS.families]


def numbers(task):
    """What an axis changes: parameters, examples a step, steps, and shape of an input."""
    return num_trained(task.build(0)), task.batch_size, task.num_steps


def test_it_has_about_sixty_tasks_of_all_kinds_between_a_thousand_and_a_million_parameters():
    sizes = {name: num_trained(task.build(0)) for name, task in TASKS.items()}
    assert 50 <= len(sizes) <= 70
    assert min(sizes.values()) < 2_000
    assert 500_000 < max(sizes.values()) <= 1_100_000
    assert sum(1_000 <= size <= 100_000 for size in sizes.values()) > 0.7 * len(sizes)
    assert {
        "gpt",
        "gpt_tied",
        "gpt_post",
        "resnet",
        "depthwise",
        "group_norm",
        "layer_norm",
        "vit",
        "gru",
        "lstm",
    } <= set(CORPUS.families)
    assert {"table", "pixels", "autoencoder", "vae", "unet", "recommender", "words"} <= set(CORPUS.families)


def test_batches_horizons_and_vocabularies_span_what_a_law_must():
    assert {min(task.batch_size for task in CORPUS), max(task.batch_size for task in CORPUS)} == {8, 256}
    assert {min(task.num_steps for task in CORPUS), max(task.num_steps for task in CORPUS)} == {100, 3_000}
    widths = {name: TASKS[name].build(0).tokens.num_embeddings for name in TASKS if name.startswith("words")}
    assert min(widths.values()) == 65
    assert max(widths.values()) == 4_097


@pytest.mark.parametrize("family", families(DATA), ids=lambda family: family.name)
def test_a_family_has_a_middle_and_moves_one_axis_at_a_time_as_its_names_say(family):
    tasks = family.tasks()
    assert {task.family for task in tasks} == {family.name}
    assert axis_of(tasks[0]) == ("", 1.0)
    assert len(tasks) > 1
    middle = numbers(tasks[0])
    for task in tasks[1:]:
        axis, factor = axis_of(task)
        assert axis in AXES
        assert task.name == f"{family.name}_{axis}_{factor:g}"
        size, batch, steps = (now / before for now, before in zip(numbers(task), middle, strict=True))
        grows = (
            size if axis in ("width", "depth", "vocabulary") else {"batch": batch, "horizon": steps}.get(axis, factor)
        )
        assert (grows > 1) == (factor > 1)
        assert batch == (factor if axis == "batch" else 1)
        assert steps == (factor if axis == "horizon" else 1)
        assert (size != 1) == (axis not in ("batch", "horizon"))


def test_the_vocabulary_grows_under_an_equal_body():
    bodies = {num_trained(TASKS[name].build(0).blocks) for name in TASKS if name.startswith("words")}
    assert len(bodies) == 1


def test_the_axes_of_the_law_vary_fourfold_in_some_family():
    for index in range(3):
        ranges = [[numbers(task)[index] for task in tasks] for tasks in CORPUS.families.values()]
        assert sum(max(values) >= 4 * min(values) for values in ranges) >= 3


def test_each_family_is_climbed_from_its_cheapest_and_its_dearest_are_for_those_who_get_far():
    order = race_order(CORPUS.tasks)
    early = [num_trained(task.build(0)) * task.num_steps * task.batch_size for task in order[: rungs(len(order))[-2]]]
    assert len({task.family for task in order[: len(CORPUS.families)]}) == len(CORPUS.families)
    late = sorted(num_trained(task.build(0)) * task.num_steps * task.batch_size for task in order)[-10:]
    assert max(early) < min(late)


@pytest.mark.slow
@pytest.mark.parametrize("name", MIDDLES)
def test_a_middle_learns_and_its_loss_is_a_mean(name):
    task = TASKS[name]
    torch.manual_seed(0)
    model, train, validation = task.build(0), task.splits.train, task.splits.validation
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    with torch.no_grad():
        before = task.measure(model(validation.inputs), validation.targets)
        once = task.loss(model(validation.inputs[:32]), validation.targets[:32])
        twice = task.loss(
            model(validation.inputs[:32].repeat_interleave(2, 0)), validation.targets[:32].repeat_interleave(2, 0)
        )
    if name not in OF_BATCH_NORM:  # whose statistics move on in between
        torch.testing.assert_close(once, twice, rtol=1e-4, atol=1e-5)
    for _ in range(60):
        rows = torch.randint(len(train), (task.batch_size,))
        optimizer.zero_grad()
        task.loss(model(train.inputs[rows]), train.targets[rows]).backward()
        optimizer.step()
    with torch.no_grad():
        assert task.measure(model(validation.inputs), validation.targets) < 0.98 * before


@pytest.mark.parametrize("name", MIDDLES)
def test_all_but_batch_norm_trains_as_a_population(name):
    assert (loop_reason(TASKS[name]) is None) == (name not in OF_BATCH_NORM)


@pytest.mark.parametrize("name", MIDDLES)
def test_a_middle_widens(name):
    (wide,) = scaled_tasks([TASKS[name]])["parameters × 10"]
    assert num_trained(wide.build(0)) >= 10 * num_trained(TASKS[name].build(0))
    assert num_trained(TASKS[name].widened(1.0)) == num_trained(TASKS[name].build(0))


@pytest.mark.parametrize("name", ["gpt_middle", "words_middle", "pixels_middle", "vae_middle", "unet_middle"])
def test_it_is_the_same_each_time(name):
    assert ladder(DATA)[name].fingerprint == TASKS[name].fingerprint
