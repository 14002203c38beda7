"""Proposals of a study come with the laws that their plugins declare, and train at what these give for each task."""

import numpy as np
import pytest

import metaopt
from metaopt import Configuration, RateLaw
from metaopt.configuration import assemble
from metaopt.inner import train
from metaopt.inner.member import Member
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.trial_stand_ins import RandomChooser


def proposals(space, count=150):
    generator = np.random.default_rng(0)
    return [space.suggest(RandomChooser(generator)) for _ in range(count)]


def test_proposals_have_the_laws_of_their_optimizers_and_a_warm_up_where_none_is_declared(registry):
    for proposal in proposals(joint_space(registry)):
        assembly = assemble(proposal, registry)  # refuses laws and warm-ups that cannot act
        laws = set(proposal.rate_law)
        sets_rate = any(spec.sets_rate for spec in assembly.wrappers)
        lawful = {spec.name for spec in assembly.optimizers if any(spec.rate_law.exponents.values())}
        assert laws == (set() if sets_rate or assembly.controller.absolute else lawful)
        assert bool(proposal.warmup) == (assembly.optimizer.has_lr and assembly.controller.takes_warmup)


def test_muon_and_sgd_start_flat(registry):
    space = joint_space(registry, optimizers=("sgd", "adamw", "muon"))
    assert {name for proposal in proposals(space) for name in proposal.rate_law} == {"adamw"}


def test_set_fixes_an_exponent_and_refuses_a_range(registry):
    space = joint_space(registry, optimizers=("adamw",), settings=["rate_law.parameters=0.5"])
    assert {proposal.rate_law["adamw"] for proposal in proposals(space, 5)} == {RateLaw(parameters=0.5)}
    with pytest.raises(metaopt.InputError, match="exponents of a law are fixed, not searched"):
        joint_space(registry, settings=["rate_law.parameters=0.2..0.5"])
    with pytest.raises(metaopt.InputError, match="rate_law has no hyperparameter 'width'"):
        joint_space(registry, settings=["rate_law.width=1"])


def test_a_study_begun_without_laws_is_known_by_its_space(registry):
    space = joint_space(registry)
    assert "rate_law" in space.to_json()
    assert "rate_law" not in space.without_laws.to_json()
    assert not any(proposal.rate_law or proposal.warmup for proposal in proposals(space.without_laws, 30))


def test_the_evaluator_trains_each_task_at_its_own_rate(make_task, registry, evaluator):
    few, many = make_task("few", "lines", num_steps=20), make_task("many", "lines", num_steps=80)
    law = RateLaw(0.5, 0.5, 0.5)
    lawful = Configuration("adamw", hparams={"adamw.lr": 0.05}, rate_law={"adamw": law})
    curves = evaluator.curves([lawful], [few, many], [0])
    for each in (few, many):
        plain = Configuration("adamw", hparams={"adamw.lr": 0.05 * law.factor(each.scale)})
        expected = train(each, [Member(assemble(plain, registry), 0)])[0].curve
        np.testing.assert_array_equal(curves[lawful.key, each.name, 0].values, expected.values)
        assert each.scale.parameters == sum(param.numel() for param in each.build(3).parameters())
    assert law.factor(few.scale) == pytest.approx(2 * law.factor(many.scale))
