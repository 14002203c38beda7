import metaopt
from metaopt.configuration import Configuration
from metaopt.tuning.ledger.evaluations import Evaluation, EvaluationKey
from metaopt.tuning.result import Cost

CANDIDATE, TRIAL, BASELINE, OF_A_FOLD = (
    Configuration("sgd", hparams={"sgd.lr": rate}) for rate in (0.1, 0.2, 0.3, 0.4)
)


def run(configuration, seed):
    curve = metaopt.Curve([1], [0.5], 1)
    key = EvaluationKey(configuration.key, "sgd@1,constant@1", "print", seed)
    return Evaluation(key, "task", "family", configuration, curve, seconds=0.5)


def test_every_training_is_counted_once_by_what_it_was_for():
    evaluations = [
        run(CANDIDATE, 0),
        run(CANDIDATE, 1),
        run(TRIAL, 0),
        run(BASELINE, 2),
        run(CANDIDATE, 101),
        run(BASELINE, 101),
        run(OF_A_FOLD, 0),
        run(CANDIDATE, 1_003),
        run(BASELINE, 1_004),
        run(CANDIDATE, 1_101),
        run(BASELINE, 1_000_108),
    ]
    cost = Cost.of(evaluations, proposed=[CANDIDATE], references=[TRIAL, BASELINE])
    assert cost == Cost(evaluations=3, reference_evaluations=3, comparison_evaluations=5, seconds=5.5)


def test_a_candidate_that_is_a_reference_too_counts_as_a_candidate():
    cost = Cost.of([run(TRIAL, 0)], proposed=[TRIAL], references=[TRIAL])
    assert (cost.evaluations, cost.reference_evaluations) == (1, 0)
