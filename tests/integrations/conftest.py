"""Models, data and arguments for tests with transformers' Trainer: some thousand parameters, nothing downloaded."""

import pytest
import torch


def lines(count, seed, length=8, vocabulary=12):
    """Token sequences in which every second token repeats the one before.

    The first is no target: the Trainer counts it where a model's loss does not.
    """
    tokens = torch.randint(0, vocabulary, (count, length), generator=torch.Generator().manual_seed(seed))
    tokens[:, 1::2] = tokens[:, ::2]
    labels = tokens.clone()
    labels[:, 0] = -100
    return [{"input_ids": row, "labels": targets} for row, targets in zip(tokens, labels, strict=True)]


@pytest.fixture(scope="session")
def training_rows():
    return lines(32, seed=1)


@pytest.fixture(scope="session")
def validation_rows():
    return lines(16, seed=2)


@pytest.fixture
def language_model():
    """Makes the same GPT-2 for the same seed."""
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()

    def make(seed=0, **settings):
        torch.manual_seed(seed)
        sizes = {"n_embd": 8, "n_layer": 1, "n_head": 2, "vocab_size": 12, "n_positions": 8}
        tokens = {"bos_token_id": 0, "eos_token_id": 0}
        dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
        return transformers.GPT2LMHeadModel(transformers.GPT2Config(**{**sizes, **tokens, **dropout, **settings}))

    return make


@pytest.fixture
def arguments(tmp_path):
    """A training's arguments, quiet and on the CPU: three epochs of four steps, unless said otherwise."""
    transformers = pytest.importorskip("transformers")

    def make(kind=None, **changes):
        quiet = {"use_cpu": True, "report_to": [], "disable_tqdm": True, "logging_strategy": "no"}
        plan = {"num_train_epochs": 3, "per_device_train_batch_size": 8, "max_grad_norm": 0.0}
        when = {"eval_strategy": "epoch", "save_strategy": "no"}
        kind = kind or transformers.TrainingArguments
        return kind(**{"output_dir": str(tmp_path / "out"), **quiet, **plan, **when, **changes})

    return make
