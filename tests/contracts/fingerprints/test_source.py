"""A function's source as a tree: what it means counts, how it is written down does not."""

import ast
import linecache

import pytest

from metaopt.contracts.fingerprints import source


def tree(text):
    """The definition that a text consists of."""
    (node,) = ast.parse(text).body
    return node.value if isinstance(node, ast.Expr) else node


def lambdas_of_a_line(tmp_path, text):
    """What a module of one line calls `functions`, and its globals."""
    path = tmp_path / "written.py"
    path.write_text(text)
    namespace = {}
    exec(compile(text, str(path), "exec"), namespace)
    linecache.checkcache(str(path))
    return namespace["functions"], namespace


def body(function, namespace):
    return ast.unparse(source.definition(function.__code__, namespace).body)


def test_lambdas_on_one_line_are_told_apart(tmp_path):
    functions, namespace = lambdas_of_a_line(tmp_path, "functions = [lambda x: x + 1, lambda x: x * 2]\n")
    assert [body(function, namespace) for function in functions] == ["x + 1", "x * 2"]


def test_of_lambdas_inside_each_other_the_innermost_is_found(tmp_path):
    (outer,), namespace = lambdas_of_a_line(tmp_path, "functions = [lambda x: lambda y: x + y]\n")
    assert body(outer, namespace) == "lambda y: x + y"
    assert body(outer(1), namespace) == "x + y"


def test_a_decorated_function_is_found_with_its_decorator(tmp_path):
    text = "def same(f):\n    return f\n\n@same\n@same\ndef functions():\n    return 3\n"
    function, namespace = lambdas_of_a_line(tmp_path, text)
    node = source.definition(function.__code__, namespace)
    assert node.name == "functions"
    assert len(node.decorator_list) == 2


@pytest.mark.parametrize("name", ["<string>", "/there/is/no/such/file.py"])
def test_without_a_file_there_is_no_source(name):
    namespace = {}
    exec(compile("def loss():\n    return 1\n", name, "exec"), namespace)
    assert source.definition(namespace["loss"].__code__, namespace) is None


@pytest.mark.parametrize(
    "text",
    [
        "def f(x: int, y) -> float:\n    return x + y",
        'def f(x, y):\n    """Adds."""\n    return x + y',
        "def f(x, y):\n\n    return (x   # one\n      + y)",
    ],
)
def test_what_means_the_same_has_one_text(text):
    assert source.canonical(tree(text)) == source.canonical(tree("def f(x, y):\n    return x + y"))


@pytest.mark.parametrize("text", ["def f(x, y):\n    return x - y", "def f(x, y=1):\n    return x + y"])
def test_what_means_something_else_has_another_text(text):
    assert source.canonical(tree(text)) != source.canonical(tree("def f(x, y):\n    return x + y"))


def test_kinds_of_constants_are_told_apart():
    texts = {source.canonical(tree(f"lambda: {constant}")) for constant in ("1", "1.0", "True", "'1'", "b'1'")}
    assert len(texts) == 5


def test_names_from_outside_are_those_that_the_function_does_not_make():
    node = tree(
        "@decorated\ndef f(x):\n    y = x * scale\n    def inner(z):\n        return z + y + shift\n    return inner"
    )
    assert source.global_names(node) == ("scale", "shift")


def test_imports_are_listed_with_their_names():
    node = tree(
        "def f():\n    import a.b\n    import numpy as np\n"
        "    from ..near import scale as by, shift\n    from . import here"
    )
    assert set(source.imports(node)) == {
        ("a.b", "a.b", ""),
        ("np", "numpy", ""),
        ("by", "..near", "scale"),
        ("shift", "..near", "shift"),
        ("here", ".", "here"),
    }


def test_attributes_asked_of_a_name_are_chains():
    node = tree("lambda x: nn.functional.relu(x) + nn.pi + other.nn.e")
    assert source.attributes_of(node, "nn") == [("functional",), ("functional", "relu"), ("pi",)]
    assert source.attributes_of(node, "x") == []


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("calls.append(1)", {"calls"}),
        ("self.count += 1", {".count"}),
        ("self.seen.total.add(1)", {".seen"}),
        ("cache['a']['b'] = 1", {"cache"}),
        ("del cache['a']", {"cache"}),
        ("first[0], (second.a, third) = values", {"first", "second"}),
        ("global total", {"total"}),
        ("next(batches)", {"batches"}),
        ("setattr(model, 'a', 1)", {"model"}),
        ("local = 1", set()),
        ("values.index(1)", set()),
    ],
)
def test_what_a_function_changes_is_known(line, names):
    assert source.written_names(tree(f"def f():\n    {line}")) == names
