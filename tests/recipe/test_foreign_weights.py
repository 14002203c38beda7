"""Arrays that others saved are read by name, and nothing in their files is run."""

import pickle

import msgpack
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import metaopt
from metaopt.recipe.foreign_weights import read_arrays

ARRAYS = {"rnn/w": np.arange(6, dtype=np.float32).reshape(2, 3), "rnn/b": np.array([1.5], dtype=np.float64)}


def flax(document):
    """Bytes as flax writes them: arrays under code 1, as shape, dtype and bytes."""

    def array(value):
        return msgpack.ExtType(1, msgpack.packb((value.shape, value.dtype.name, value.tobytes())))

    return msgpack.packb(document, default=array)


def same(read):
    assert read.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        torch.testing.assert_close(read[name], torch.from_numpy(array), rtol=0, atol=0)
    return True


def test_numpys_archives(tmp_path):
    np.savez(tmp_path / "weights.npz", **ARRAYS)
    assert same(read_arrays(tmp_path / "weights.npz"))


def test_safetensors(tmp_path):
    save_file({name: torch.from_numpy(array) for name, array in ARRAYS.items()}, tmp_path / "weights.safetensors")
    assert same(read_arrays(tmp_path / "weights.safetensors"))


def test_flax_with_levels_divided_by_slashes(tmp_path):
    path = tmp_path / "weights.state"
    path.write_bytes(flax({"rnn": {"w": ARRAYS["rnn/w"], "b": ARRAYS["rnn/b"]}}))
    read = read_arrays(path)
    assert same(read)
    read["rnn/w"].zero_()  # memory of their own, that can be written


def test_numbers_of_levels_become_names(tmp_path):
    path = tmp_path / "weights.state"
    path.write_bytes(flax({0: {"w": ARRAYS["rnn/w"]}}))
    assert list(read_arrays(path)) == ["0/w"]


BROKEN = {
    "no msgpack": ("weights.state", b"\xc1"),
    "a list": ("weights.state", msgpack.packb([1, 2])),
    "a word among the arrays": ("weights.state", flax({"rnn": {"w": "words"}})),
    "an unknown kind of entry": ("weights.state", msgpack.packb({"w": msgpack.ExtType(7, b"")})),
    "too few numbers": (
        "weights.state",
        msgpack.packb({"w": msgpack.ExtType(1, msgpack.packb(((5,), "float32", b"1234")))}),
    ),
    "no archive": ("weights.npz", b"PK but no archive"),
    "no safetensors": ("weights.safetensors", b"\0" * 20),
}


@pytest.mark.parametrize(("name", "content"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_read_is_refused_in_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        metaopt.InputError, match=r"holds no weights that can be read \(.+\); download it again\."
    ) as refusal:
        read_arrays(tmp_path / name)
    assert "\n" not in str(refusal.value)


class Intruder:
    def __reduce__(self):
        return exec, ("raise SystemExit('it was run')",)


def test_code_in_an_archive_is_not_run(tmp_path):
    np.savez(tmp_path / "weights.npz", w=np.array([Intruder()], dtype=object))
    with pytest.raises(metaopt.InputError, match="holds no weights that can be read"):
        read_arrays(tmp_path / "weights.npz")
    with pytest.raises(SystemExit, match="it was run"):
        pickle.loads(pickle.dumps(Intruder()))


@pytest.mark.parametrize("name", ["weights", "./a/b", "/a/b"])
def test_what_is_neither_a_file_nor_a_repositorys_name_is_not_looked_for(name):
    with pytest.raises(metaopt.InputError, match=r"There is no file .*(weights|a/b)\."):
        read_arrays(name)
