from metaopt.tuning.executors.protocol import Block, Shared


def test_a_block_is_called_with_what_it_shares_first():
    assert Block("sum", sum, ([1, 2],)).call() == (sum, ([1, 2],))
    assert Block("power", pow, (3,), shared=Shared("two", 2)).call() == (pow, (2, 3))
