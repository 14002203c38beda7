"""Digests are those of contents, wherever and however a tensor lies."""

import hashlib

import torch

from metaopt.contracts.fingerprints import digest, tensor_identity


def test_a_digest_begins_the_hash_of_texts_after_their_lengths():
    assert digest("ab", "ü") == hashlib.sha256("2:ab2:ü".encode()).hexdigest()[:16]
    assert digest() == hashlib.sha256(b"").hexdigest()[:16]


def test_where_texts_are_parted_counts():
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("abc", "")}) == 4


def test_texts_that_are_no_unicode_have_a_digest():
    assert digest("\udcff") != digest("\udcfe")


def test_contents_shape_and_dtype_tell_tensors_apart():
    tensors = [
        torch.tensor([1, 2, 3, 4]),
        torch.tensor([1, 2, 3, 5]),
        torch.tensor([[1, 2], [3, 4]]),
        torch.tensor([1, 2, 3, 4], dtype=torch.int32),
        torch.tensor([1.0, 2.0, 3.0, 4.0]),
    ]
    assert len(set(map(tensor_identity, tensors))) == len(tensors)


def test_how_a_tensor_lies_in_memory_does_not_count():
    plain = torch.tensor([[1.0, 3.0], [2.0, 4.0]])
    assert tensor_identity(torch.tensor([[1.0, 2.0], [3.0, 4.0]]).T) == tensor_identity(plain)
    assert tensor_identity(plain.clone().requires_grad_()) == tensor_identity(plain)
    assert tensor_identity(plain.to_sparse()) == tensor_identity(plain)
    turned = torch.tensor([1 + 2j]).conj()
    assert tensor_identity(turned) == tensor_identity(turned.resolve_conj())


def test_a_tensor_without_contents_is_known_by_its_shape():
    two, three = (torch.empty(size, device="meta") for size in (2, 3))
    assert tensor_identity(two) == tensor_identity(torch.empty(2, device="meta"))
    assert tensor_identity(two) != tensor_identity(three)
