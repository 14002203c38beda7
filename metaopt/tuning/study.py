"""One resumable study: batches asked from Optuna's sampler, raced over the tasks, told in a fixed order."""

import contextlib
import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from sqlalchemy.exc import SQLAlchemyError

from metaopt.configuration import Configuration
from metaopt.contracts import AnyTask
from metaopt.errors import StorageError
from metaopt.tuning.choosers import DefaultChooser, ReplayChooser
from metaopt.tuning.database import patiently
from metaopt.tuning.evaluator import Evaluator
from metaopt.tuning.ledger import Outcome, Proposal
from metaopt.tuning.racing import race_order, rungs, survivors
from metaopt.tuning.references import Reference
from metaopt.tuning.scores import objective
from metaopt.tuning.search_space import JointSpace
from metaopt.tuning.start_from import sampler_params

#: Candidates that are asked, trained and told together.
BATCH = 40
#: Seed of weights and batches in a race; the same for all candidates.
RACE_SEED = 0
#: Earlier candidates that the sampler is told about: as many of the best, and as many spread evenly over the others.
#: 250 are what Optuna's TPE needs to have all the good ones (25) that it ever looks at; asking costs the same for ever.
TOLD = 125


class TimeUpError(Exception):
    """The time is up; what is finished is in the ledger."""


@dataclass
class Study:
    """A search for the best configuration over some tasks.

    Attributes:
        name: in the ledger.
        space: what may be proposed.
        tasks: what candidates are judged on.
        references: of at least these tasks.
        evaluator: runs what is missing.
        seed: of the sampler.
        start_from: what is judged first, as it is.
        report: told after each batch: candidates done, best objective so far.
    """

    name: str
    space: JointSpace
    tasks: Sequence[AnyTask]
    references: Mapping[str, Reference]
    evaluator: Evaluator
    seed: int
    start_from: Sequence[Configuration] = ()
    report: Callable[[int, float], None] = lambda done, best: None

    def run(self, num_candidates: int) -> None:
        """Continue until this many candidates have been judged; what is in the ledger is not done again.

        Raises:
            StorageError: the storage cannot be written, or holds an Optuna study of this name that is someone else's.
        """
        with self._dashboard() as dashboard:
            self._run(num_candidates, dashboard)

    def _run(self, num_candidates: int, dashboard: optuna.Study | None) -> None:
        ledger = self.evaluator.ledger
        proposals = ledger.proposals(self.name)  # only this process writes: what it adds is known
        outcomes = {outcome.number: outcome for outcome in ledger.outcomes(self.name)}
        while True:
            pending = [proposal for proposal in proposals if proposal.number not in outcomes]
            if pending:
                judged = self._race(pending)
                ledger.conclude(self.name, judged)
                outcomes.update({outcome.number: outcome for outcome in judged})
                continue
            if outcomes:
                self.report(len(outcomes), max(one.objective for one in outcomes.values() if one.complete))
                self._publish(proposals, outcomes, dashboard)
            missing = num_candidates - len(proposals)
            if missing <= 0:
                return
            asked = self._ask(proposals, outcomes, min(BATCH, missing))
            ledger.propose(self.name, asked)
            proposals += asked

    def judged(self) -> list[tuple[Proposal, Outcome]]:
        """Every candidate with its outcome, best complete ones first."""
        outcomes = {outcome.number: outcome for outcome in self.evaluator.ledger.outcomes(self.name)}
        pairs = [
            (proposal, outcomes[proposal.number])
            for proposal in self.evaluator.ledger.proposals(self.name)
            if proposal.number in outcomes
        ]
        return sorted(pairs, key=lambda pair: _rank(pair[1]))

    def scores(self, configuration: Configuration, seeds: Sequence[int]) -> dict[str, float]:
        """Mean score over seeds of a configuration on each task."""
        curves = self.evaluator.curves([configuration], self.tasks, seeds)
        return {
            task.name: sum(
                self.references[task.name].scale.score(curves[configuration.key, task.name, seed]) for seed in seeds
            )
            / len(seeds)
            for task in self.tasks
        }

    def objective(self, scores: Mapping[str, float]) -> float:
        """The objective over the tasks that `scores` covers."""
        return objective(scores, {name: self.references[name].scale.weight for name in scores})

    def _ask(self, proposals: Sequence[Proposal], outcomes: Mapping[int, Outcome], count: int) -> list[Proposal]:
        """Ask for a batch. The sampler is new and seeded from seed and batch number: a resumed study asks the same."""
        batch = proposals[-1].batch + 1 if proposals else 0
        asked = self._known(len(proposals), batch, count)
        if len(asked) == count:
            return asked
        with quietly():
            study = optuna.create_study(direction="maximize", sampler=_sampler(self.seed, batch))
        # Optuna's trials cannot hold what lies outside the space.
        for proposal in told([one for one in proposals if one.params], outcomes):
            study.add_trial(self._trial(proposal, outcomes[proposal.number]))
        for params in self._first_guesses()[max(len(proposals) - len(self.start_from), 0) :]:
            study.enqueue_trial(params)
        while len(asked) < count:
            trial = study.ask()
            configuration = self.space.suggest(trial)
            asked.append(Proposal(len(proposals) + len(asked), batch, configuration, dict(trial.params)))
        return asked

    def _known(self, begin: int, batch: int, count: int) -> list[Proposal]:
        """The next of the known settings, at most `count`."""
        return [
            Proposal(number, batch, one, sampler_params(self.space, one, self.evaluator.registry))
            for number, one in enumerate(self.start_from[begin : begin + count], start=begin)
        ]

    def _first_guesses(self) -> list[dict[str, Any]]:
        """Every optimizer at its defaults, with the first two controllers: the study never does worse than these."""
        guesses = []
        preferred = [name for name in ("constant", "cosine") if name in {one.name for one in self.space.controllers}]
        for optimizer in self.space.optimizers:
            for controller in preferred if optimizer.has_lr else ("constant",):
                guess = DefaultChooser({"optimizer": optimizer.name, "controller": controller}, self.space)
                self.space.suggest(guess)
                guesses.append(guess.params)
        return guesses

    def _race(self, pending: Sequence[Proposal]) -> list[Outcome]:
        """Judge one batch on growing blocks of tasks; the top third goes on."""
        batch = [proposal for proposal in pending if proposal.batch == pending[0].batch]
        order = race_order(self.tasks)
        scores: dict[int, dict[str, float]] = {proposal.number: {} for proposal in batch}
        judged: dict[int, dict[int, float]] = {proposal.number: {} for proposal in batch}
        running = list(batch)
        done = 0
        for size in rungs(len(order)):
            self._score(running, order[done:size], scores)
            done = size
            for proposal in running:
                judged[proposal.number][size] = self.objective(scores[proposal.number])
            if size < len(order):
                kept = survivors([judged[proposal.number][size] for proposal in running])
                running = [running[position] for position in kept]
        finished = {proposal.number for proposal in running}
        return [Outcome(one.number, judged[one.number], one.number in finished) for one in batch]

    def _score(
        self, running: Sequence[Proposal], tasks: Sequence[AnyTask], scores: dict[int, dict[str, float]]
    ) -> None:
        curves = self.evaluator.curves([proposal.configuration for proposal in running], tasks, [RACE_SEED])
        for proposal in running:
            for task in tasks:
                curve = curves[proposal.configuration.key, task.name, RACE_SEED]
                scores[proposal.number][task.name] = self.references[task.name].scale.score(curve)

    def _trial(self, proposal: Proposal, outcome: Outcome) -> optuna.trial.FrozenTrial:
        """The candidate as Optuna knows it: pruned ones report their objective and the number of tasks done."""
        recorder = ReplayChooser(proposal.params)
        if proposal.params:
            self.space.suggest(recorder)
        state = optuna.trial.TrialState.COMPLETE if outcome.complete else optuna.trial.TrialState.PRUNED
        return optuna.trial.create_trial(
            params=dict(proposal.params),
            distributions=recorder.distributions,
            value=outcome.objective,
            intermediate_values=dict(outcome.rungs),
            state=state,
            user_attrs={"configuration": proposal.configuration.key, "batch": proposal.batch},
        )

    @contextlib.contextmanager
    def _dashboard(self) -> Iterator[optuna.Study | None]:
        """The study in Optuna's own tables, where its dashboard finds it; None where the ledger is in memory."""
        if self.evaluator.ledger.in_memory:
            yield None
            return
        with quietly(), self._writing():
            url = self.evaluator.ledger.url
            storage = patiently(lambda: optuna.storages.RDBStorage(url, engine_kwargs={"pool_pre_ping": True}))
        try:
            with quietly(), self._writing():
                study = patiently(
                    lambda: optuna.create_study(
                        storage=storage, study_name=self.name, direction="maximize", load_if_exists=True
                    )
                )
                trials = patiently(lambda: study.get_trials(deepcopy=False))
            if any("configuration" not in trial.user_attrs for trial in trials):
                raise StorageError(
                    f"The storage holds an Optuna study {self.name!r} that metaopt did not make; "
                    "use another --study-name."
                )
            yield study
        finally:
            storage.engine.dispose()

    def _publish(
        self, proposals: Sequence[Proposal], outcomes: Mapping[int, Outcome], dashboard: optuna.Study | None
    ) -> None:
        """Write the trials that Optuna's own tables lack."""
        if dashboard is None:
            return

        def attempt() -> None:
            written = len(dashboard.get_trials(deepcopy=False))
            dashboard.add_trials([self._trial(one, outcomes[one.number]) for one in proposals[written:]])

        with self._writing():
            patiently(attempt)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, optuna.exceptions.OptunaError) as error:
            raise StorageError(
                f"The Optuna study {self.name!r} cannot be written: {str(error).strip().splitlines()[0]}; "
                "the ledger beside it is intact."
            ) from error


def told(proposals: Sequence[Proposal], outcomes: Mapping[int, Outcome]) -> list[Proposal]:
    """The candidates that the sampler is told about, by number: all, or TOLD of the best and TOLD of the others."""
    if len(proposals) <= 2 * TOLD:
        return list(proposals)
    ranked = sorted(proposals, key=lambda one: (_rank(outcomes[one.number]), one.number))
    others = sorted(ranked[TOLD:], key=lambda one: one.number)
    spread = [others[index * len(others) // TOLD] for index in range(TOLD)]
    return sorted((*ranked[:TOLD], *spread), key=lambda one: one.number)


def _rank(outcome: Outcome) -> tuple[bool, int, float]:
    """Orders outcomes, the best first: those that finished the race, then those that got furthest."""
    return not outcome.complete, -outcome.tasks_done, -outcome.objective


def _sampler(seed: int, batch: int) -> optuna.samplers.BaseSampler:
    digest = hashlib.sha256(f"{seed}:{batch}".encode()).digest()
    with quietly():
        return optuna.samplers.TPESampler(
            seed=int.from_bytes(digest[:4], "little"), multivariate=True, group=True, constant_liar=True
        )


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep Optuna's notes on each new study out of the log, and leave its verbosity as the user set it."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
