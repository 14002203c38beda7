import math
from collections import defaultdict
from itertools import pairwise

import pytest
import torch

import metaopt
from metaopt.contracts import num_trained
from metaopt_corpora.ladder import CONTEXT, VOCABULARY, TextGRU, generated_text, tasks, text_splits

TASKS = {task.name: task for task in tasks()}


def test_each_family_climbs_in_parameters_and_all_of_them_from_a_thousand_to_a_hundred_thousand():
    sizes = defaultdict(list)
    for task in TASKS.values():
        sizes[task.family].append(num_trained(task.build(0)))
    assert len(sizes) == 4
    assert all(rungs == sorted(rungs) and rungs[-1] > 4 * rungs[0] for rungs in sizes.values())
    reached = [size for rungs in sizes.values() for size in rungs]
    assert 1_000 <= min(reached) < 1_500
    assert 80_000 < max(reached) <= 100_000


def test_a_rung_is_the_same_model_wider():
    for task in TASKS.values():
        assert task.widened is not None
        assert num_trained(task.widened(1.0)) == num_trained(task.build(0))
    wider = num_trained(TASKS["text_transformer_width_1"].widened(4.0))
    assert wider == num_trained(TASKS["text_transformer_width_4"].build(0))


def test_the_text_is_words_of_syllables_that_follow_each_other():
    text = generated_text()
    assert text.max() == 26
    words = "".join(" " if code == 26 else chr(97 + code) for code in text.tolist()).split()
    assert len(words) == 4_000
    assert len(set(words)) <= 48
    assert all(len(word) in (2, 4, 6) and set(word[1::2]) <= set("aeiou") for word in words)
    followers = defaultdict(set)
    for word, following in pairwise(words):
        followers[word].add(following)
    assert max(map(len, followers.values())) <= 8, "two words may be spelled alike"
    assert torch.equal(text, generated_text())
    assert not torch.equal(text[:1000], generated_text(seed=1)[:1000])


@pytest.mark.parametrize("each_place", [True, False])
def test_targets_are_what_comes_next_and_parts_of_the_text_lie_apart(each_place):
    splits = text_splits(each_place=each_place)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [2_000, 100, 200]
    assert splits.train.inputs.shape[1] == CONTEXT
    if each_place:
        assert torch.equal(splits.train.inputs[:, 1:], splits.train.targets[:, :-1])
    else:
        assert torch.equal(splits.train.targets, text_splits().train.targets[:, -1])
    text = generated_text()
    assert torch.equal(splits.test.inputs[0], text[int(0.9 * len(text)) :][:CONTEXT])


def test_what_was_read_says_something_of_what_comes_next():
    """A bigram does better than chance by far: the text can be learned."""
    text = generated_text()
    counts = torch.ones(VOCABULARY, VOCABULARY)
    counts.index_put_((text[:-1], text[1:]), torch.ones(len(text) - 1), accumulate=True)
    chances = counts / counts.sum(1, keepdim=True)
    nats = -torch.log(chances[text[:-1], text[1:]]).mean()
    assert nats < 0.7 * math.log(VOCABULARY)


def test_the_recurrent_model_reads_all_characters():
    torch.manual_seed(0)
    model, tokens = TextGRU(8, 1), torch.randint(VOCABULARY, (2, CONTEXT))
    changed = tokens.clone()
    changed[:, 0] = (changed[:, 0] + 1) % VOCABULARY
    assert model(tokens).shape == (2, VOCABULARY)
    assert (model(tokens) - model(changed)).abs().max() > 0


def test_its_names_are_free_beside_those_of_the_rest():
    starter = metaopt.load_corpus("starter")
    assert {task.name for task in starter} > set(TASKS)
