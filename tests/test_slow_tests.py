"""Which tests `make test-fast` leaves out."""

from tests import slow_tests


def test_a_test_is_as_slow_as_its_fixtures_and_itself():
    lines = ["  0.30s setup    tests/a.py::test_x", "0.20s call     tests/a.py::test_x", "= slowest durations ="]
    assert slow_tests.times(lines) == {"tests/a.py::test_x": 0.5}


def test_parameters_with_spaces_are_part_of_the_name():
    assert slow_tests.times(["1.00s call     tests/a.py::test_x[a b]"]) == {"tests/a.py::test_x[a b]": 1.0}


def test_a_function_stands_for_its_parameters_where_most_are_slow():
    a = {"t.py::a[1]": 1.0, "t.py::a[2]": 2.0, "t.py::a[3]": 0.0}
    b = {"t.py::b[1]": 0.0, "t.py::b[2]": 0.1, "t.py::b[3]": 9.0}
    assert slow_tests.slow(a | b) == ["t.py::a", "t.py::b[3]"]


def test_fast_ones_are_not_listed():
    assert slow_tests.slow({"t.py::a": slow_tests.LIMIT, "t.py::b": 0.0}) == []


def test_what_is_listed_exists():
    assert [name for name in slow_tests.listed() if not slow_tests.exists(name)] == []


def test_those_listed_are_marked(request):
    names = set(slow_tests.listed())
    those = [item for item in request.session.items if slow_tests.is_listed(item.nodeid, names)]
    assert [item.nodeid for item in those if item.get_closest_marker("slow") is None] == []
