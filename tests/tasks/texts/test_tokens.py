"""Texts become numbers of tokens that training texts have."""

import pytest

from metaopt.tasks.texts.tokens import LONG_TEXT, Vocabulary, tokens_of


def test_the_most_frequent_words_come_first_and_those_of_one_text_do_not_count():
    vocabulary = Vocabulary.of(["a dog", "a cat", "a dog, once", "cat"], "words")
    assert vocabulary.tokens == ("a", "cat", "dog")
    numbers = vocabulary.numbers(["A  DOG", "once", "cat a dog a"])
    assert numbers[:, :2].tolist() == [[1, 3], [0, 0], [2, 1]]


def test_a_vocabulary_has_a_size_and_a_length():
    texts = ["one two three four"] * 4
    vocabulary = Vocabulary.of(texts, "words", size=3, length=2)
    assert len(vocabulary) == 3
    assert vocabulary.numbers(texts).shape == (4, 2)


@pytest.mark.parametrize(("text", "kind"), [("short", "characters"), ("long " * LONG_TEXT, "words")])
def test_long_texts_are_read_by_words_and_short_ones_by_characters(text, kind):
    assert Vocabulary.of([text] * 3).kind == kind


def test_characters_come_in_runs_of_up_to_three_in_the_order_of_the_text():
    assert tokens_of("Ab", "characters") == [" ", " a", " ab", "a", "ab", "ab ", "b", "b ", " "]
    assert tokens_of("Größe 漢字!", "words") == ["größe", "漢字", "!"]


def test_a_text_of_nothing_is_all_zeros():
    assert Vocabulary.of(["a b", "a b"], "words").numbers(["", "z"]).sum() == 0
