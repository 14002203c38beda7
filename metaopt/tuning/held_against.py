"""What a study is held against: the baselines of its finals, the contenders of its comparisons, and the verdict."""

from collections.abc import Sequence
from functools import cached_property

from metaopt.configuration import Configuration
from metaopt.contracts import AnyTask, BlackBoxTask, Corpus, FewShotTask
from metaopt.plugin import Registry
from metaopt.tuning.arguments import AGAINST, StudyArguments
from metaopt.tuning.judging.comparison import Comparison, Contender, contender_named
from metaopt.tuning.judging.references import References
from metaopt.tuning.judging.scores import Scale
from metaopt.tuning.judging.summary import counted
from metaopt.tuning.judging.verdict import Verdict, likes_of
from metaopt.tuning.search.baselines import Baseline, baselines_of, excluded_by
from metaopt.tuning.search.finals import Outcome
from metaopt.tuning.search.joint_space import JointSpace


class HeldAgainst:
    """The baselines and contenders of a study.

    Args:
        arguments: of the study.
        corpus: every task.
        space: what may be proposed.
        registry: where plugins are.

    Attributes:
        baselines: of the finals, each configuration once.
        notes: why others are left out, a sentence each.
    """

    def __init__(self, arguments: StudyArguments, corpus: Corpus, space: JointSpace, registry: Registry) -> None:
        self._arguments, self._corpus, self._space = arguments, corpus, space
        self._registry = registry
        found = baselines_of(arguments, corpus.tasks, space, registry)
        self.baselines, self.notes = found.baselines, found.notes

    def contenders(self, outcome: Outcome, baselines: Sequence[Baseline]) -> list[Contender]:
        """What the recipe is compared with: the baselines of the finals, and those that the user names.

        A black box is trained with its baseline alone, unless the user names others: nobody knows what a run costs. On
        few-shot tasks, the best baseline alone is meta-trained again.

        Args:
            outcome: of the finals.
            baselines: of the finals.
        """
        if any(isinstance(task, FewShotTask) for task in self._corpus):
            baselines = [baseline for baseline in baselines if baseline.configuration.key == outcome.incumbent]
        return self._with_named(baselines)

    @cached_property
    def named(self) -> list[Contender]:
        """Contenders beside the baselines."""
        dear = any(isinstance(task, BlackBoxTask) for task in self._corpus)
        if dear and tuple(self._arguments.against) == AGAINST:
            return []
        return [contender_named(name, self._registry) for name in self._arguments.against]

    @property
    def most_contenders(self) -> list[Contender]:
        """Contenders that there may be, as far as they are known before the finals."""
        ordinary = not any(isinstance(task, FewShotTask | BlackBoxTask) for task in self._corpus)
        return self._with_named(self.baselines if ordinary else self.baselines[:1])

    def _with_named(self, baselines: Sequence[Baseline]) -> list[Contender]:
        contenders = [Contender(baseline.name, baseline.configuration, baseline.stopper) for baseline in baselines]
        known = {contender.name for contender in contenders}
        return [*contenders, *(contender for contender in self.named if contender.name not in known)]

    def forbids(self, configuration: Configuration) -> bool:
        """Whether the user excluded a configuration."""
        return excluded_by(configuration, self._arguments, self._space) is not None

    @staticmethod
    def verdict(
        outcome: Outcome, baselines: Sequence[Baseline], held_out: Comparison | None, tuning: Comparison | None
    ) -> Verdict:
        """On what is handed over, by held-out tasks where there are any.

        Args:
            outcome: of the finals.
            baselines: of the finals.
            held_out: comparison on held-out tasks, or None.
            tuning: comparison on the tuning tasks, or None.
        """
        baseline = baseline_of(outcome.incumbent, baselines)
        handed_over = baseline_of(outcome.chosen, baselines)
        measured = tuning if held_out is None else held_out
        count = counted(0 if measured is None else len(measured.tasks), "task" if held_out is None else "held-out task")
        which = " that it was tuned on" if held_out is None else likes_of(held_out)
        return Verdict.of(
            measured,
            f"on {count}{which}",
            handed_over=None if outcome.is_tuned or handed_over is None else handed_over.name,
            incumbent=None if baseline is None else baseline.name,
            promised=outcome.lead,
            excluded=None if baseline is None else baseline.excluded,
            here=held_out is None,
        )


def baseline_of(key: str | None, baselines: Sequence[Baseline]) -> Baseline | None:
    """The baseline of this configuration."""
    return next((baseline for baseline in baselines if baseline.configuration.key == key), None)


def weak_tasks(tasks: Sequence[AnyTask], references: References) -> tuple[str, ...]:
    """Names of tasks whose references are no further apart than noise alone would have them."""
    scales = {task.name: references[task.name].scale for task in tasks if task.name in references}
    return tuple(name for name, scale in scales.items() if isinstance(scale, Scale) and scale.is_weak)
