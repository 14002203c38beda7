"""What a learner declares."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

from metaopt.contracts import Classify, FitSupport, InitLearner, PredictQueries, outer_space
from metaopt.errors import PluginError, known_keywords, quoted
from metaopt.plugin.checks import check_functions
from metaopt.plugin.plugin_spec import PluginSpec
from metaopt.space import Categorical, Distribution, Float, Int, Space


@final
@known_keywords(PluginError)
@dataclass(frozen=True, kw_only=True)
class LearnerSpec(PluginSpec):
    """A learner: it maps a support set to a predictor, by comparing features.

    Its functions are pure, for one episode; `torch.vmap` puts many side by side. Hyperparameters come as people write
    them. Gradients pass through both functions to theta and to the backbone that makes the features.

    Attributes:
        fit: `(support, labels, theta, hparams) -> kept`, what it keeps of a support set, tensors by name: `support` has
            shape (n, d), `labels` is one-hot of shape (n, ways), with at least one example a class.
        predict: `(kept, queries, theta, hparams) -> logits`, from queries of shape (m, d) to shape (m, ways).
        init_theta: `(shape, generator, hparams) -> theta`, for learners with weights of their own: `shape` is that of
            one example's features.
        classify: for learners whose features are trained on all classes at once, and not in episodes:
            `(features, weights, hparams) -> logits`, from features of shape (n, d) and weights of shape (classes, d).
        takes_maps: whether features come as the backbone gives them, such as maps of shape (channels, height, width),
            and not as vectors.
        trains_backbone: whether `fit` trains the backbone: `support` is a `metaopt.SupportSet`, and what it keeps as
            `"backbone.NAME"` takes the place of the weights of that name.
        outer_lr: default of the outer Adam's learning rate.
    """

    kind: ClassVar[str] = "learner"

    fit: FitSupport
    predict: PredictQueries
    init_theta: InitLearner | None = None
    classify: Classify | None = None
    takes_maps: bool = False
    trains_backbone: bool = False
    outer_lr: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        optional = {"init_theta": self.init_theta, "classify": self.classify}
        given = {name: function for name, function in optional.items() if function is not None}
        check_functions(self, fit=self.fit, predict=self.predict, **given)
        for name in ("takes_maps", "trains_backbone"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise PluginError(
                    f"LearnerSpec(name={self.name!r}): {name} must be True or False, got {quoted(value)}."
                )
        if self.trains_backbone and self.classify is None:
            raise PluginError(
                f"LearnerSpec(name={self.name!r}): trains_backbone= is for learners whose features are trained on all "
                "classes; give classify= too."
            )
        twice = sorted(set(self.space) & set(self._training_space))
        if twice:
            raise PluginError(f"LearnerSpec(name={self.name!r}): space declares {twice}, which every learner has.")

    @cached_property
    def full_space(self) -> Space:
        """`space`, and what every learner has.

        `batch_norm` says by whose statistics layers of batch norm normalise queries: the layer's `"running"` ones,
        those of the `"support"` set, or of the `"batch"` that is asked about, so that queries see each other.
        `precision` is that of the backbone's convolutions and matrix products; `"bfloat16"` is not proposed.
        `embedding` is the size of a linear layer on top of the backbone, 0 for none. `ways` are the classes of an
        episode of meta-training, as many as there are if there are fewer, 0 for the task's; features that are trained
        on all classes have `batch`, examples of an update, in its place. `outer_lr` is the outer Adam's rate, which
        falls in a straight line to `outer_final` times that; `clip` the norm that meta-gradients are clipped to, 0 for
        none.
        """
        return {**self._training_space, **self.space}

    @property
    def tuned_space(self) -> Space:
        """`full_space`: a study of few-shot tasks meta-trains."""
        return self.full_space

    @cached_property
    def _training_space(self) -> Mapping[str, Distribution]:
        size: Distribution = (
            Int(5, 60, log=True, default=0, valid="[0, inf)")
            if self.classify is None
            else Int(16, 256, log=True, default=64, valid="[1, inf)")
        )
        return {
            **outer_space(self.outer_lr),
            "clip": Float(0.1, 10.0, log=True, default=0.0, valid="[0, inf)"),
            "batch_norm": Categorical(("running", "support", "batch"), proposed=("running",)),
            "precision": Categorical(("float32", "bfloat16"), proposed=("float32",)),
            **({} if self.takes_maps else {"embedding": Categorical((0, 16, 32, 64, 128, 256, 512))}),
            "ways" if self.classify is None else "batch": size,
        }
