"""The kit tries a wrapper around several rules."""

import metaopt


class Slowed(metaopt.Rule):
    """Halves every step of `inner`; `bias` is what a broken one adds to what it evaluates with."""

    def __init__(self, inner, bias=0.0):
        self.inner, self.granularity, self.bias = inner, inner.granularity, bias

    def init(self, params, hparams, theta, horizon):
        return self.inner.init(params, hparams, theta, horizon)

    def update(self, grads, state, params, hparams, theta, info):
        updates, state = self.inner.update(grads, state, params, hparams, theta, info)
        slowed = {name: hparams[name]["slowed.factor"] * update for name, update in updates.items()}
        return {name: update.to(params[name].dtype) for name, update in slowed.items()}, state

    def evaluation_params(self, params, state, hparams):
        return {name: param + self.bias for name, param in self.inner.evaluation_params(params, state, hparams).items()}


def wrapper(wrap):
    return metaopt.WrapperSpec(
        name="slowed", version="1", wrap=wrap, space={"factor": metaopt.Float(0.1, 1.0, default=0.5)}
    )


def test_a_sound_wrapper_passes(failures):
    assert failures(wrapper(Slowed)) == {}


def test_a_wrapper_that_evaluates_with_nan_is_caught_with_the_inner_rule(failures):
    found = failures(wrapper(lambda inner: Slowed(inner, float("nan"))))["evaluates_soundly"]
    assert "Around plain_descent: evaluation_params after 0 steps" in found
    assert "is not finite: [nan" in found
