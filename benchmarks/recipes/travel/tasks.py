"""The tasks of `travel`: twelve kinds of models and trainings, 2·10⁵ to 6·10⁶ numbers, and two of more than 10⁷."""

from functools import partial
from pathlib import Path

from torch import nn

from benchmarks.recipes.travel import data
from benchmarks.recipes.travel.other_models import (
    VAE,
    Depthwise,
    Recommender,
    UNet,
    VisionTransformer,
    perceptron,
    residual,
)
from benchmarks.recipes.travel.pretrained import Pretraining, low_rank_alone, low_rank_with_new_head, with_new_head
from benchmarks.recipes.travel.sequence_models import LanguageModel, Recurrent
from benchmarks.recipes.travel.task import (
    Data,
    TravelTask,
    classes,
    evidence_bound,
    next_token,
    squares,
    yes_or_no,
)

CONTEXT = 64
PLAY = ("tinyshakespeare/input.txt",)
WIKITEXT = ("wikitext2/valid.txt", "wikitext2/test.txt")
DIGITS = ("mnist_t10k/t10k-images-idx3-ubyte.gz", "mnist_t10k/t10k-labels-idx1-ubyte.gz")
BACKGROUND, EVALUATION = "omniglot/images_background.npz", "omniglot/images_evaluation.npz"
PIXELS = data.SIDE**2


def all_tasks(folder: Path, pretrained: Path) -> list[TravelTask]:
    """All but the large ones, cheap kinds first; data is read, and weights are trained before, when first needed.

    Args:
        folder: the data.
        pretrained: where weights that trainings start from are kept.
    """
    return [
        *recommenders(),
        *perceptrons(folder),
        *autoencoders(folder),
        *recurrent(folder),
        *images(folder),
        *transformers(folder),
        *continued(folder, pretrained),
    ]


def transformers(folder: Path) -> list[TravelTask]:
    letters = partial(LanguageModel, data.NUM_CHARACTERS, CONTEXT)
    words = partial(LanguageModel, data.NUM_WORDS + 1, 32, 128, 2, is_tied=True)
    task = partial(TravelTask, kind="transformer", loss=next_token, batch_size=16)
    return [
        task(
            "transformer_pre_norm",
            model=partial(letters, 128, 3),
            load=partial(data.shakespeare, folder, CONTEXT),
            needs=PLAY,
            num_steps=300,
        ),
        task(
            "transformer_post_norm",
            model=partial(letters, 144, 2, is_post_norm=True),
            load=partial(data.wikitext, folder, CONTEXT),
            needs=WIKITEXT,
            num_steps=300,
        ),
        task(
            "transformer_tied_words",
            model=words,
            load=partial(data.wikitext_words, folder, 32),
            num_steps=250,
            needs=WIKITEXT,
        ),
    ]


def recurrent(folder: Path) -> list[TravelTask]:
    task = partial(TravelTask, kind="recurrent", loss=next_token)
    return [
        task(
            "gru",
            model=partial(Recurrent, nn.GRU, data.NUM_CHARACTERS, 64, 256, 1),
            load=partial(data.shakespeare, folder, CONTEXT),
            needs=PLAY,
            batch_size=32,
            num_steps=300,
        ),
        task(
            "lstm",
            model=partial(Recurrent, nn.LSTM, data.NUM_CHARACTERS, 64, 192, 2),
            load=partial(data.wikitext, folder, CONTEXT),
            needs=WIKITEXT,
            batch_size=16,
            num_steps=300,
        ),
    ]


def images(folder: Path) -> list[TravelTask]:
    task = partial(TravelTask, loss=classes, batch_size=32)
    of_writers = partial(data.characters_of_writers, folder, count=100)
    return [
        task(
            "vit",
            kind="vit",
            model=partial(VisionTransformer, 10, 96, 3),
            load=partial(data.digits, folder),
            needs=DIGITS,
            num_steps=200,
            num_validations=8,
        ),
        task(
            "residual",
            kind="convolution",
            model=partial(residual, 100, 32),
            load=partial(of_writers, 0),
            num_steps=300,
            needs=(EVALUATION,),
        ),
        task(
            "depthwise",
            kind="depthwise",
            model=partial(Depthwise, 10, 64),
            load=partial(data.digits, folder),
            needs=DIGITS,
            batch_size=24,
            num_steps=200,
            num_validations=8,
        ),
    ]


def perceptrons(folder: Path) -> list[TravelTask]:
    task = partial(TravelTask, batch_size=64, num_steps=400)
    return [
        task(
            "mlp_characters",
            kind="mlp",
            model=partial(perceptron, PIXELS, 1024, 1024, 300),
            load=partial(data.characters_of_writers, folder, 200, 300, is_flat=True),
            needs=(EVALUATION,),
            loss=classes,
        ),
        task(
            "mlp_digits_wide",
            kind="mlp",
            model=partial(perceptron, PIXELS, 2048, 2048, 10),
            load=partial(data.digits, folder, is_flat=True),
            needs=DIGITS,
            loss=classes,
            num_steps=300,
        ),
        task(
            "table_deep",
            kind="table",
            model=partial(perceptron, 60, 256, 256, 256, 256, 5),
            load=data.table,
            loss=classes,
            batch_size=128,
            num_steps=500,
        ),
        task(
            "table_curve",
            kind="table",
            model=partial(perceptron, 40, 640, 640, 1, normed=True),
            load=data.curve_table,
            loss=squares,
        ),
    ]


def autoencoders(folder: Path) -> list[TravelTask]:
    return [
        TravelTask(
            "vae",
            kind="vae",
            model=partial(VAE, PIXELS, 512, 32),
            load=partial(data.binary_ink, folder),
            needs=(BACKGROUND, EVALUATION),
            loss=evidence_bound,
            batch_size=64,
            num_steps=500,
        ),
        TravelTask(
            "unet",
            kind="unet",
            model=partial(UNet, 24),
            load=partial(data.noisy_ink, folder),
            needs=(BACKGROUND, EVALUATION),
            loss=squares,
            batch_size=8,
            num_steps=250,
        ),
    ]


def recommenders() -> list[TravelTask]:
    return [
        TravelTask(
            "recommender",
            kind="recommender",
            model=partial(Recommender, 2_000, 1_000, 72),
            load=data.ratings,
            loss=yes_or_no,
            batch_size=1024,
            num_steps=500,
        )
    ]


def continued(folder: Path, pretrained: Path) -> list[TravelTask]:
    """Fine-tuning in full and by low-rank terms, of convolutions on other characters and of a transformer on a play."""
    characters = Pretraining(
        pretrained,
        "depthwise_characters",
        partial(Depthwise, 120, 64),
        partial(data.known_characters, folder, 120),
        classes,
        batch_size=24,
        num_steps=800,
    )
    text = Pretraining(
        pretrained,
        "transformer_wikitext",
        partial(LanguageModel, data.NUM_CHARACTERS, CONTEXT, 128, 3),
        partial(wikitext_training, folder),
        next_token,
        batch_size=16,
    )
    of_writers = partial(
        TravelTask,
        loss=classes,
        load=partial(data.characters_of_writers, folder, 300, 100),
        needs=(BACKGROUND, EVALUATION),
    )
    of_play = partial(
        TravelTask, loss=next_token, load=partial(data.shakespeare, folder, CONTEXT), needs=(*PLAY, *WIKITEXT)
    )
    return [
        of_writers(
            "finetune_characters",
            kind="finetune",
            model=partial(with_new_head, characters, 100),
            batch_size=24,
            num_steps=200,
        ),
        of_writers(
            "lora_characters",
            kind="lora",
            model=partial(low_rank_with_new_head, characters, 100),
            batch_size=24,
            num_steps=200,
        ),
        of_play("finetune_play", kind="finetune", model=text.pretrained, batch_size=16, num_steps=200),
        of_play("lora_play", kind="lora", model=partial(low_rank_alone, text), batch_size=16, num_steps=200),
    ]


def wikitext_training(folder: Path) -> data.Windows:
    """The part of WikiText-2 that nobody is judged by."""
    return data.Windows(data.characters(data.wikitext_parts(folder)[0]), CONTEXT)


def large_tasks(folder: Path) -> list[TravelTask]:
    """Two models of more than 10⁷ numbers."""
    return [
        TravelTask(
            "large_transformer",
            kind="transformer",
            model=partial(LanguageModel, data.NUM_CHARACTERS, CONTEXT, 416, 5, 8),
            load=partial(large_text, folder),
            needs=PLAY,
            loss=next_token,
            batch_size=8,
            num_steps=150,
            num_validations=6,
        ),
        TravelTask(
            "large_mlp",
            kind="mlp",
            model=partial(perceptron, PIXELS, 3072, 3072, 10),
            load=partial(data.digits, folder, is_flat=True),
            needs=DIGITS,
            loss=classes,
            batch_size=64,
            num_steps=200,
            num_validations=8,
        ),
    ]


def large_text(folder: Path) -> Data:
    return data.shakespeare(folder, CONTEXT, count=64)
