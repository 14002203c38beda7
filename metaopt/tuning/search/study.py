"""One resumable study: batches asked from Optuna's sampler, raced over the tasks, told in a fixed order."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import optuna

from metaopt.configuration import Configuration
from metaopt.contracts import AnyTask, Array
from metaopt.tuning.first_guesses import default_configurations, first_guesses, near_best
from metaopt.tuning.judging.references import References
from metaopt.tuning.judging.scores import BEST, WORST, objective
from metaopt.tuning.ledger.dashboard import Dashboard, opened
from metaopt.tuning.ledger.evaluations import Proposal, RaceOutcome
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.search.estimates import filled, shrunken
from metaopt.tuning.search.joint_space import JointSpace
from metaopt.tuning.search.racing import BLOCKS, HEAT, SHARE, Standing, ends_heat, race, race_order, rungs_of
from metaopt.tuning.search.start_from import sampler_params
from metaopt.tuning.search.trial_stand_ins import ReplayChooser, quietly
from metaopt.tuning.seeds import RACE_SEED

#: Candidates that are asked, trained and told together.
BATCH = 40
#: The same where tasks have hyperparameters of their own: their models are not trained side by side, and a sampler that
#: is told sooner needs fewer trainings.
OWN_BATCH = 8
#: Earlier candidates that the sampler learns from: as many of the best, and as many spread evenly over the others.
#: 250 are what Optuna's TPE needs to have all the good ones (25) that it ever looks at; asking costs the same for ever.
REMEMBERED = 125


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
        report: told after each batch: candidates done, the most that one promises so far.
    """

    name: str
    space: JointSpace
    tasks: Sequence[AnyTask]
    references: References
    evaluator: Evaluator
    seed: int
    start_from: Sequence[Configuration] = ()
    report: Callable[[int, float], None] = lambda done, best: None

    def run(self, num_candidates: int) -> None:
        """Continue until this many candidates have been judged; what is in the ledger is not done again.

        Raises:
            StorageError: the storage cannot be written, or holds an Optuna study of this name that is someone else's.
        """
        ledger = self.evaluator.ledger
        if ledger.in_memory:
            self._run(num_candidates, None)
            return
        with opened(ledger.url, self.name, ledger.file) as dashboard:
            self._run(num_candidates, dashboard)

    def _run(self, num_candidates: int, dashboard: Dashboard | None) -> None:
        ledger = self.evaluator.ledger
        proposals = ledger.proposals(self.name)  # only this process writes: what it adds is known
        outcomes = {outcome.number: outcome for outcome in ledger.outcomes(self.name)}
        standings = [_standing(number, outcomes.get(number)) for number in range(len(proposals))]
        while True:
            pending = [proposal for proposal in proposals if proposal.number not in outcomes]
            self._begin(pending, standings)
            missing = num_candidates - len(proposals)
            if pending and (missing <= 0 or ends_heat(pending[-1].batch)):
                for outcome in self._race(pending, proposals, standings):
                    outcomes[outcome.number] = outcome
                    self._report_candidate(proposals[outcome.number], outcome)
                ledger.conclude(self.name, [outcomes[proposal.number] for proposal in pending])
            if outcomes:
                self.report(len(proposals), max(self.promises(list(outcomes.values())).values()))
                if dashboard is not None:
                    dashboard.publish(partial(self._trial, proposals, outcomes), len(outcomes))
            if missing <= 0:
                return
            batch = self._ask(proposals, standings, min(batch_of(self.space), missing))
            ledger.propose(self.name, batch)
            proposals += batch
            standings += [Standing(proposal.number) for proposal in batch]

    def judged(self) -> list[tuple[Proposal, RaceOutcome]]:
        """Every candidate with its outcome, best complete ones first."""
        outcomes = {outcome.number: outcome for outcome in self.evaluator.ledger.outcomes(self.name)}
        pairs = [
            (proposal, outcomes[proposal.number])
            for proposal in self.evaluator.ledger.proposals(self.name)
            if proposal.number in outcomes
        ]
        return sorted(pairs, key=lambda pair: _rank(pair[1]))

    def promises(self, outcomes: Sequence[RaceOutcome]) -> dict[int, float]:
        """Of each complete candidate, by number, its objective over scores that are shrunk by their noise.

        One run on a task is partly luck, and the best of many is partly the luckiest: see `shrunken`.
        """
        complete = [outcome for outcome in outcomes if outcome.complete]
        names = [task.name for task in self.tasks]
        noises = [self.references[name].scale.share_of_noise for name in names]
        table = np.asarray([[outcome.scores[name] for name in names] for outcome in complete])
        rows = shrunken(table.reshape(len(complete), len(names)), noises).tolist()
        return {
            outcome.number: self.objective(dict(zip(names, row, strict=True)))
            for outcome, row in zip(complete, rows, strict=True)
        }

    def objective(self, scores: Mapping[str, float]) -> float:
        """The objective over the tasks that `scores` covers."""
        return objective(scores, {name: self.references[name].scale.weight for name in scores})

    def _ask(self, proposals: Sequence[Proposal], standings: Sequence[Standing], count: int) -> list[Proposal]:
        """Ask for a batch. The sampler is new and seeded from seed and batch number: a resumed study asks the same."""
        batch = proposals[-1].batch + 1 if proposals else 0
        asked = self._from_known_settings(len(proposals), batch, count)
        if len(asked) == count:
            return asked
        with quietly():
            study = optuna.create_study(direction="maximize", sampler=_sampler(self.seed, batch))
        for params, distributions, value in self._history(proposals, standings):
            study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
        guesses = first_guesses(self.space, self.tasks, self.evaluator.registry, self.seed)
        for params in guesses[max(len(proposals) - len(self.start_from), 0) :]:
            study.enqueue_trial(params)
        if self.space.own and len(proposals) >= len(guesses) + len(self.start_from):
            ran = [proposal.params for proposal in sorted(proposals, key=lambda p: _standing_rank(standings[p.number]))]
            for configuration, params in near_best(self.space, ran, (count - len(asked)) // 2, (self.seed, batch)):
                asked.append(Proposal(len(proposals) + len(asked), batch, configuration, params))
        while len(asked) < count:
            trial = study.ask()
            configuration = self.space.suggest(trial)
            asked.append(Proposal(len(proposals) + len(asked), batch, configuration, dict(trial.params)))
        return asked

    def _from_known_settings(self, begin: int, batch: int, count: int) -> list[Proposal]:
        """The next of the known settings, at most `count`."""
        return [
            Proposal(number, batch, configuration, sampler_params(self.space, configuration, self.evaluator.registry))
            for number, configuration in enumerate(self.start_from[begin : begin + count], start=begin)
        ]

    def defaults(self) -> dict[str, Configuration]:
        """Every optimizer at its defaults, at a constant rate, and every learner at its own, by its name."""
        return default_configurations(self.space)

    def _history(
        self, proposals: Sequence[Proposal], standings: Sequence[Standing]
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any], float]]:
        """For the sampler: parameters, their distributions, and the objective as if all had run on all tasks.

        Optuna would rank every candidate that ran on all tasks before every other one, however good: see `filled`.
        """
        inside = [proposal for proposal in proposals if proposal.params]  # Optuna's trials hold nothing from outside
        if not inside:
            return
        names = [task.name for task in self.tasks]
        rows = [[standings[proposal.number].scores.get(name, np.nan) for name in names] for proposal in inside]
        scores = np.asarray(rows, dtype=np.float64)
        best = max(BEST, float(np.nanmax(scores, initial=BEST)))
        table = np.clip(filled(scores), WORST, best)
        weights = np.asarray([self.references[name].scale.weight for name in names])
        for position in remembered(table @ weights):
            proposal = inside[position]
            value = self.objective(dict(zip(names, table[position].tolist(), strict=True)))
            yield dict(proposal.params), self._recorded(proposal).distributions, value

    def _begin(self, pending: Sequence[Proposal], standings: Sequence[Standing]) -> None:
        """Run candidates that have not run yet on the first block of tasks, batch by batch."""
        order = race_order(self.tasks)
        size = rungs_of(order)[0]
        for _, batch in groupby(pending, key=lambda proposal: proposal.batch):
            fresh = [proposal for proposal in batch if size not in standings[proposal.number].rungs]
            if fresh:
                self._judge(
                    {proposal.number: proposal for proposal in fresh},
                    [standings[proposal.number] for proposal in fresh],
                    order[:size],
                )

    def _race(
        self, heat: Sequence[Proposal], proposals: Sequence[Proposal], standings: Sequence[Standing]
    ) -> list[RaceOutcome]:
        """Judge a heat on growing blocks of tasks, against all that came before it."""
        by_number = {proposal.number: proposal for proposal in heat}
        running = [standings[number] for number in by_number]
        earlier = [standings[proposal.number] for proposal in proposals if proposal.number not in by_number]
        order = race_order(self.tasks)
        race(running, earlier, order, partial(self._judge, by_number), sizes=rungs_of(order))
        return [
            RaceOutcome(standing.number, standing.rungs, standing.complete, standing.scores) for standing in running
        ]

    def _judge(self, proposals: Mapping[int, Proposal], running: Sequence[Standing], tasks: Sequence[AnyTask]) -> None:
        configurations = {standing.number: proposals[standing.number].configuration for standing in running}
        curves = self.evaluator.curves(list(configurations.values()), tasks, [RACE_SEED])
        scales = {task.name: self.references.scale(task, RACE_SEED) for task in tasks}
        for standing in running:
            for task in tasks:
                curve = curves[configurations[standing.number].key, task.name, RACE_SEED]
                standing.scores[task.name] = score = scales[task.name].score(curve)
                labels = {"task": task.name, "candidate": configurations[standing.number].title}
                self.evaluator.report("score", standing.number, {"score": score}, **labels)
            standing.rungs[len(standing.scores)] = self.objective(standing.scores)

    def _report_candidate(self, proposal: Proposal, outcome: RaceOutcome) -> None:
        numbers = {"objective": outcome.objective, "tasks": float(outcome.tasks_done)}
        why = "" if outcome.complete else "Others promised more, so it did not run on all tasks."
        self.evaluator.report("candidate", outcome.number, numbers, why, candidate=proposal.configuration.title)

    def _trial(
        self, proposals: Sequence[Proposal], outcomes: Mapping[int, RaceOutcome], number: int
    ) -> optuna.trial.FrozenTrial:
        """The candidate as Optuna knows it: pruned ones report their objective and the number of tasks done."""
        proposal, outcome = proposals[number], outcomes[number]
        recorder = self._recorded(proposal)
        state = optuna.trial.TrialState.COMPLETE if outcome.complete else optuna.trial.TrialState.PRUNED
        return optuna.trial.create_trial(
            params=dict(proposal.params),
            distributions=recorder.distributions,
            value=outcome.objective,
            intermediate_values=dict(outcome.rungs),
            state=state,
            user_attrs={"configuration": proposal.configuration.key, "batch": proposal.batch},
        )

    def _recorded(self, proposal: Proposal) -> ReplayChooser:
        """The distributions that a proposal's parameters were drawn from."""
        recorder = ReplayChooser(proposal.params)
        if proposal.params:
            self.space.suggest(recorder)
        return recorder


def batch_of(space: JointSpace) -> int:
    """Candidates of a batch."""
    return OWN_BATCH if space.own else BATCH


def race_rules(space: JointSpace) -> dict[str, Any]:
    """What decides which candidates a study drops, and when it asks for more, in plain JSON."""
    return {"blocks": list(BLOCKS), "share": SHARE, "batch": batch_of(space), "heat": HEAT, "seed": RACE_SEED}


def remembered(values: Array) -> list[int]:
    """Positions of the candidates that the sampler learns from: all, or `REMEMBERED` of the best and of the others."""
    if len(values) <= 2 * REMEMBERED:
        return list(range(len(values)))
    ranked = np.argsort(-values, kind="stable")
    others = np.sort(ranked[REMEMBERED:])
    spread = others[np.arange(REMEMBERED) * len(others) // REMEMBERED]
    return sorted([*ranked[:REMEMBERED].tolist(), *spread.tolist()])


def _standing_rank(standing: Standing) -> tuple[int, float]:
    """Orders candidates that are judged, the best first: those on most tasks, then by their objective there."""
    done = max(standing.rungs, default=0)
    return -done, -standing.rungs.get(done, 0.0)


def _standing(number: int, outcome: RaceOutcome | None) -> Standing:
    if outcome is None:
        return Standing(number)
    return Standing(number, dict(outcome.scores), dict(outcome.rungs), outcome.complete)


def _rank(outcome: RaceOutcome) -> tuple[bool, int, float]:
    """Orders outcomes, the best first: those that finished the race, then those that got furthest."""
    return not outcome.complete, -outcome.tasks_done, -outcome.objective


def _sampler(seed: int, batch: int) -> optuna.samplers.BaseSampler:
    digest = hashlib.sha256(f"{seed}:{batch}".encode()).digest()
    with quietly():
        return optuna.samplers.TPESampler(
            seed=int.from_bytes(digest[:4], "little"), multivariate=True, group=True, constant_liar=True
        )
