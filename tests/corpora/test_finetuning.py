"""Fine-tunings start from weights made on other data, train what their form says, and read no row for judging."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are not installed

import metaopt  # noqa: E402
from benchmarks.corpora import finetuning, judging_rows  # noqa: E402
from benchmarks.corpora.finetuning import FORMS, HELD_OUT, TARGETS, finetunings, started  # noqa: E402
from benchmarks.corpora.low_rank import LowRank, adapted  # noqa: E402
from benchmarks.corpora.pretrained_models import PRETRAININGS, pretrain  # noqa: E402
from metaopt.configuration import Configuration, assemble  # noqa: E402
from metaopt.contracts import num_trained  # noqa: E402
from metaopt.inner import Member, loop_reason, train  # noqa: E402
from metaopt.plugin import current_registry  # noqa: E402

DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the development data ../shared/data is absent")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of all models as they are drawn, but for one that took a few steps."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for name, pretraining in PRETRAININGS.items():
        torch.save(pretraining.model(pretraining.num_outputs).state_dict(), folder / f"{name}.pt")
    before, after = pretrain("pendigits_mlp", DATA, folder, num_steps=40)
    assert after < before
    return folder


@pytest.fixture(scope="module")
def tasks(weights):
    return {
        part: {task.name: task for task in finetunings(targets, part, DATA, weights)}
        for part, targets in (("tuning", TARGETS), ("held out", HELD_OUT))
    }


@pytest.mark.slow
def test_there_are_tasks_to_tune_on_and_others_to_judge_by_in_other_families(tasks):
    tuning, held_out = tasks["tuning"], tasks["held out"]
    assert len(tuning) >= 10
    assert len(held_out) >= 8
    families = [{task.family for task in part.values()} for part in (tuning, held_out)]
    assert not families[0] & families[1]
    assert not {target.pretrained for target in TARGETS} & {target.pretrained for target in HELD_OUT}


@pytest.mark.parametrize("target", [*TARGETS, *HELD_OUT], ids=lambda target: target.name)
def test_forms_differ_in_what_trains_and_share_what_they_start_from(target, weights):
    trained, starts = {}, {}
    for form in FORMS:
        torch.manual_seed(0)
        model = started(target.pretrained, form, target.num_outputs, weights)
        trained[form] = num_trained(model)
        starts[form] = {name.replace(".layer.", "."): value for name, value in model.state_dict().items()}
    assert trained["full"] == sum(param.numel() for param in started(*_full(target), weights).parameters())
    assert trained["last"] < trained["full"]
    assert trained["low_rank"] < trained["full"]
    saved = torch.load(weights / f"{target.pretrained}.pt", weights_only=True)
    head = PRETRAININGS[target.pretrained].head
    kept = [name for name in saved if target.num_outputs is None or not name.startswith(f"{head}.")]
    assert len(kept) >= 4
    assert all(torch.equal(starts[form][name], saved[name]) for form in FORMS for name in kept)


def _full(target):
    return target.pretrained, "full", target.num_outputs


def test_a_low_rank_product_changes_nothing_at_first_and_is_all_that_trains():
    torch.manual_seed(0)
    images = torch.randn(3, 1, 14, 14)
    model = finetuning.PRETRAININGS["alphabets_convolutions"].model(7)
    before = model(images)
    adapted(model, None)
    assert torch.equal(model(images), before)
    trains = {name for name, param in model.named_parameters() if param.requires_grad}
    assert {name.rsplit(".", 1)[1] for name in trains} == {"down", "up"}
    layer = model[3]
    assert isinstance(layer, LowRank)
    with torch.no_grad():
        layer.up.normal_()
    merged = torch.nn.Conv2d(16, 32, 3, 2, 1, bias=False)
    merged.weight.data = layer.layer.weight + layer.scale * (layer.up @ layer.down).view_as(layer.layer.weight)
    inputs = torch.randn(2, 16, 7, 7)
    assert torch.allclose(layer(inputs), merged(inputs), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pendigits_last", "pendigits_low_rank", "hiragana_last", "hiragana_low_rank"])
def test_frozen_parameters_train_in_a_population_as_one_after_the_other(name, tasks):
    task = replace(tasks["tuning"][name], num_steps=3, num_validations=3)
    assert loop_reason(task) is None
    rates = [1e-3, 1e-2]
    members = [
        Member(assemble(Configuration("adamw", "linear", hparams={"adamw.lr": rate}), current_registry()), seed)
        for rate in rates
        for seed in (0, 1)
    ]
    together, alone = (train(task, members, engine=engine, compile="off") for engine in ("population", "loop"))
    for first, second in zip(together, alone, strict=True):
        assert np.allclose(first.curve.values, second.curve.values, rtol=1e-4)
        assert len(set(first.curve.values)) == 3


@pytest.mark.slow
def test_other_weights_are_another_task(weights, tmp_path):
    (target,) = (target for target in TARGETS if target.name == "pendigits")
    saved = torch.load(weights / "pendigits_mlp.pt", weights_only=True)

    def fingerprint():
        torch.save(saved, tmp_path / "pendigits_mlp.pt")
        (task,) = finetunings([target], "pendigits", DATA, tmp_path, ("low_rank",))
        return task.fingerprint

    before = fingerprint()
    assert fingerprint() == before
    saved["0.weight"][0, 0] += 1e-3
    assert fingerprint() != before


def test_weights_that_were_not_made_yet_say_how(tmp_path):
    with pytest.raises(metaopt.InputError, match=r"letters_mlp.pt.*not made yet; run `python -m .*--pretrain`"):
        started("letters_mlp", "full", 13, tmp_path)


def test_texts_and_digits_are_of_the_open_rows(monkeypatch, weights):
    """The functions that know which rows are open are asked, and never for those that are reserved."""
    asked = []
    for name in ("shakespeare", "wikitext_validation", "digits"):
        original = getattr(judging_rows, name)

        def read(data, *, original=original, name=name, **reserved):
            asked.append((name, reserved))
            return original(data, **reserved)

        monkeypatch.setattr(judging_rows, name, read)
    for target in (*TARGETS, *HELD_OUT):
        if target.kind.endswith("text") or target.name == "digits":
            target.data(DATA)
    assert {name for name, _ in asked} == {"shakespeare", "wikitext_validation", "digits"}
    assert not any(reserved for _, reserved in asked)


def test_halves_share_no_row():
    mine, before = (
        {row.numpy().tobytes() for split in (splits.train, splits.validation, splits.test) for row in split.inputs}
        for splits in (
            next(target for target in TARGETS if target.name == "digits").data(DATA),
            PRETRAININGS["digits_vit"].data(DATA),
        )
    )
    assert len(mine) > 1_000
    assert not mine & before
