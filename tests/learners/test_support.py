import pytest
import torch

import metaopt
from metaopt.learners import check_episodes, one_hot


def episodes(support, queries, ways=3):
    support, queries = torch.tensor([support]), torch.tensor([queries])
    return metaopt.Episodes(torch.zeros(1, support.shape[1], 4), support, torch.zeros(1, queries.shape[1], 4), queries)


def test_classes_may_have_unequal_shots():
    assert check_episodes("protonet", episodes([0, 2, 2, 1, 2], [1, 0])) == 3


def test_labels_are_rows_with_a_one():
    assert one_hot(torch.tensor([[0, 2]]), 3, torch.float64).tolist() == [[[1, 0, 0], [0, 0, 1]]]


@pytest.mark.parametrize(
    ("support", "queries", "message"),
    [
        ([0, 0], [0], "'protonet' tells classes apart, and the support set has one class alone"),
        ([0, 2], [0], "targets up to 2, but no example of class 1: number the classes from 0 without a gap"),
        ([0, -1, 1], [0], "a support target is -1"),
        ([0, 1], [2], "A query is of class 2, and the support set has examples of classes 0 to 1 alone"),
        ([0.0, 1.0], [0], "the support targets are float32, no class numbers; a rule such as 'maml'"),
        ([0, 1], [0.5], "the query targets are float32"),
        ([True, False], [0], "the support targets are bool"),
    ],
)
def test_what_cannot_be_compared_is_refused(support, queries, message):
    with pytest.raises(metaopt.InputError, match=message):
        check_episodes("protonet", episodes(support, queries))


def test_episodes_without_queries_or_support_are_refused():
    none = torch.zeros(1, 0, dtype=torch.int64)
    with pytest.raises(metaopt.InputError, match="is judged on queries, and these episodes have none"):
        check_episodes(
            "protonet", metaopt.Episodes(torch.zeros(1, 2, 4), torch.tensor([[0, 1]]), torch.zeros(1, 0, 4), none)
        )
    with pytest.raises(metaopt.InputError, match="this one is empty"):
        check_episodes(
            "protonet", metaopt.Episodes(torch.zeros(1, 0, 4), none, torch.zeros(1, 1, 4), torch.tensor([[0]]))
        )
