"""The checks of a plugin, one by one or all together."""

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias, final

from metaopt.contracts import Float32ByDefault
from metaopt.errors import InputError
from metaopt.plugin import OptimizerSpec, PluginSpec
from metaopt.testing.answers import describe_error
from metaopt.testing.balancing import CHECKS as BALANCE_CHECKS
from metaopt.testing.classes import CHECKS as CLASS_CHECKS
from metaopt.testing.controllers import CHECKS as CONTROLLER_CHECKS
from metaopt.testing.corpora import CHECKS as CORPUS_CHECKS
from metaopt.testing.declarations import CHECKS as COMMON_CHECKS
from metaopt.testing.errors import Blocked, ConformanceError, NotApplicable
from metaopt.testing.hosts.loops import CHECKS as HOST_CHECKS
from metaopt.testing.hosts.two_ranks import CHECKS as RANK_CHECKS
from metaopt.testing.learners import CHECKS as LEARNER_CHECKS
from metaopt.testing.location import Location, definition, functions_of, locate
from metaopt.testing.rules.descent import CHECKS as DESCENT_CHECKS
from metaopt.testing.rules.key_order import CHECKS as KEY_ORDER_CHECKS
from metaopt.testing.rules.purity import CHECKS as PURITY_CHECKS
from metaopt.testing.rules.rules import CHECKS as RULE_CHECKS
from metaopt.testing.rules.shells import CHECKS as SHELL_CHECKS
from metaopt.testing.rules.subject import Subject
from metaopt.testing.rules.wrappers import CHECKS as WRAPPER_CHECKS
from metaopt.testing.stoppers.recipes import controller_survives_a_recipe, stopper_survives_a_recipe
from metaopt.testing.stoppers.stoppers import CHECKS as STOPPER_CHECKS

Status: TypeAlias = Literal["passed", "failed", "skipped", "blocked"]

#: Checks that the other checks build on, in this order: where one fails, later results would mean nothing.
_FOUNDATIONS = (
    "space_is_sound",
    "space_is_finite",
    "theta_is_reproducible",
    "keeps_dtypes_and_shapes",
    "keeps_its_layout",
    "answers_soundly",
    "loads_a_corpus",
    "leaves_inputs_alone",
    "is_deterministic",
    "is_causal",
    "is_pure",
)

#: The check that runs last: where another check fails, its numbers differ for the same cause.
_COMPARED_LAST = "native_equals_rule"
_EXPLAINED_BY = ("state_is_its_own", "lowers_a_quadratic")


#: Kinds that take part in each training step.
_TRAINED = ("optimizer", "wrapper", "controller")

#: Checks of optimizers that look at what is declared, and need no rule.
_OF_DECLARATIONS = ("packs_into_groups", "configuration_survives_json", "rule_survives_a_recipe")


def _of_optimizer(check: Callable[[Subject], None]) -> Callable[[Any], None]:
    @functools.wraps(check)
    def unwrapped(spec: OptimizerSpec) -> None:
        if spec.rule is None and check.__name__ not in _OF_DECLARATIONS:
            raise NotApplicable(f"It needs a rule, and {spec.name} is a library's class without one.")
        check(Subject(spec))

    return unwrapped


_CHECKS: Mapping[str, tuple[Callable[[Any], None], ...]] = {
    "optimizer": (
        *COMMON_CHECKS,
        *map(_of_optimizer, (*PURITY_CHECKS, *KEY_ORDER_CHECKS, *RULE_CHECKS, *SHELL_CHECKS, *DESCENT_CHECKS)),
    ),
    "wrapper": (*COMMON_CHECKS, *WRAPPER_CHECKS),
    "controller": (*COMMON_CHECKS, *CONTROLLER_CHECKS, controller_survives_a_recipe),
    "stopper": (*COMMON_CHECKS, *STOPPER_CHECKS, stopper_survives_a_recipe),
    "learner": (*COMMON_CHECKS, *LEARNER_CHECKS),
    "weighting": (*COMMON_CHECKS, *BALANCE_CHECKS),
    "surgery": (*COMMON_CHECKS, *BALANCE_CHECKS),
    "corpus": (*COMMON_CHECKS, *CORPUS_CHECKS),
}


@final
@dataclass(frozen=True)
class Outcome:
    """The outcome of one check.

    Attributes:
        check: the check's name.
        claim: what must be true, one sentence.
        status: `"skipped"` if the check does not concern the plugin, `"blocked"` if it could not run because of a
            failure that is named already.
        message: what is wrong, or why it did not run; empty if it passed.
        location: the offending line of the plugin, where there is one.
        seconds: how long the check took.
    """

    check: str
    claim: str
    status: Status
    message: str
    location: Location | None
    seconds: float


@final
@dataclass(frozen=True)
class Report:
    """Outcomes of all checks of one plugin."""

    spec: PluginSpec
    outcomes: tuple[Outcome, ...]

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Outcomes of the checks that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == "failed")

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failures


@final
@dataclass(frozen=True)
class Check:
    """One claim about one plugin; call it to have it checked.

    Attributes:
        spec: the plugin.
        function: checks the claim, which its docstring states, and raises where it does not hold.
        needs: checks that this check builds on; where one of them fails, this check does not run.
    """

    spec: PluginSpec
    function: Callable[[Any], None]
    needs: tuple["Check", ...] = ()

    @property
    def name(self) -> str:
        """Short name, unique among the plugin's checks."""
        return self.function.__name__

    @cached_property
    def claim(self) -> str:
        """What must be true, one sentence."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    def __str__(self) -> str:
        return f"{self.spec.kind}-{self.spec.name}-{self.name}"

    @Float32ByDefault()
    def __call__(self) -> None:
        """Check the claim.

        Raises:
            ConformanceError: the claim does not hold; the message says what is wrong, the value and the offending line.
            NotApplicable: the claim does not concern this plugin, or a check that this one builds on failed; pytest
                and unittest count that as skipped.
        """
        for foundation in self.needs:
            if foundation.fails:
                raise Blocked(f"It could not run: {foundation.name} failed.")
        self.__dict__["fails"] = False  # checks that build on this one need not run it again
        try:
            self._examine()
        except ConformanceError:
            self.__dict__["fails"] = True
            raise

    @cached_property
    def fails(self) -> bool:
        """Whether the check failed when it last ran; runs it if it never did."""
        return self.run().status == "failed"

    def run(self) -> Outcome:
        """Check the claim and return the outcome."""
        began = time.perf_counter()
        status: Status = "passed"
        message, location = "", None
        try:
            self()
        except Blocked as reason:
            status, message = "blocked", str(reason)
        except NotApplicable as reason:
            status, message = "skipped", str(reason)
        except ConformanceError as error:
            status, message, location = "failed", error.message, error.location
        return Outcome(self.name, self.claim, status, message, location, time.perf_counter() - began)

    def _examine(self) -> None:
        """Check the claim; every exception but NotApplicable becomes a ConformanceError with the offending line."""
        try:
            self.function(self.spec)
        except NotApplicable:
            raise
        except ConformanceError as error:
            traced = self._line_in(error) or self._line_in(error.__cause__)
            location = error.location or traced or self._definition(error.at)
            raise ConformanceError(error.message, error.at, location) from error.__cause__
        except (Exception, SystemExit) as error:
            location = self._line_in(error) or self._line_in(error.__cause__) or self._definition(None)
            raise ConformanceError(f"It raised {describe_error(error)}", None, location) from error

    def _line_in(self, error: BaseException | None) -> Location | None:
        return None if error is None else locate(self.spec, error.__traceback__)

    def _definition(self, function: Callable[..., Any] | None) -> Location | None:
        own = definition(function) if function is not None else None
        return own or next((definition(own_function) for own_function in functions_of(self.spec)), None)


def checks_for(spec: PluginSpec, *, slow: bool = False) -> list[Check]:
    """The checks that a plugin of this kind must pass, in order: checks that others build on come first.

    Args:
        spec: the plugin.
        slow: also those on two ranks, whole and sharded, for which two processes are started once.
    """
    if spec.kind not in _CHECKS:
        raise InputError(f"There are no checks for {spec!r}; give a spec such as metaopt.OptimizerSpec(...).")
    of_class = CLASS_CHECKS if isinstance(spec, OptimizerSpec) and spec.rule is None else ()
    functions = {function.__name__: function for function in (*_CHECKS[spec.kind], *of_class)}
    first: list[Check] = []
    for name in _FOUNDATIONS:
        if name in functions:
            first.append(Check(spec, functions.pop(name), tuple(first)))
    last = functions.pop(_COMPARED_LAST, None)
    dependents = [Check(spec, function, tuple(first)) for function in functions.values()]
    if last is not None:
        explained = tuple(dependent for dependent in dependents if dependent.name in _EXPLAINED_BY)
        dependents.append(Check(spec, last, (*first, *explained)))
    checks = [*first, *dependents]
    if spec.kind in _TRAINED:
        # whoever breaks the contract of its kind cannot train as it should, for the same cause
        checks += [Check(spec, function, tuple(checks)) for function in (*HOST_CHECKS, *(RANK_CHECKS if slow else ()))]
    return checks


def check(spec: PluginSpec, *, slow: bool = False) -> Report:
    """Run all checks of a plugin. A failure blocks only checks that build on it or fail for the same cause.

    Args:
        spec: the plugin.
        slow: see `checks_for`.
    """
    outcomes: list[Outcome] = []
    for conformance_check in checks_for(spec, slow=slow):
        outcome = conformance_check.run()
        same = next((earlier for earlier in outcomes if _is_same_failure(outcome, earlier)), None)
        outcomes.append(outcome if same is None else _blocked(outcome, same))
    return Report(spec, tuple(outcomes))


def _is_same_failure(outcome: Outcome, earlier: Outcome) -> bool:
    failed = outcome.status == earlier.status == "failed"
    return failed and (outcome.message, outcome.location) == (earlier.message, earlier.location)


def _blocked(outcome: Outcome, cause: Outcome) -> Outcome:
    return replace(outcome, status="blocked", message=f"It fails for the same cause as {cause.check}.", location=None)
