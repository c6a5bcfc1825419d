import ast
import textwrap
from pathlib import Path

import pytest

from benchmarks.mutations.__main__ import sources
from benchmarks.mutations.operators import Mutant, drawn, mutants
from benchmarks.mutations.report import markdown
from benchmarks.mutations.runs import Reached, Result, Results, Trees


def made(source: str, operator: str) -> list[str]:
    """The source after each mutant of one operator."""
    return [each.applied(source) for each in mutants("x.py", source) if each.operator == operator]


@pytest.mark.parametrize(
    ("operator", "source", "expected"),
    [
        ("comparison", "x = a < b", ["x = (a >= b)", "x = (a <= b)"]),
        ("comparison", "x = a == b", ["x = (a != b)"]),
        ("comparison", "x = a is None", ["x = (a is not None)"]),
        (
            "comparison",
            "x = 'ü' <= b in c",
            ["x = ('ü' > b in c)", "x = ('ü' < b in c)", "x = ('ü' <= b not in c)"],
        ),
        (
            "constant",
            "x = [1, 0.5, True, None, 'text']",
            [
                f"x = [{each}]"
                for each in [
                    "2, 0.5, True, None, 'text'",
                    "1, 1.5, True, None, 'text'",
                    "1, 0.5, False, None, 'text'",
                ]
            ],
        ),
        ("logic", "x = a and (b or c)", ["x = (a or (b or c))", "x = a and ((b and c))"]),
        ("argument", "x = f(a, *b, c=1)", ["x = f(*b, c=1)", "x = f(a, c=1)", "x = f(a, *b)"]),
        ("argument", "x = f('text', f'{a}')", []),
        ("statement", "x = 1\nf()", []),
        (
            "statement",
            "def f():\n    x = 1\n    return x",
            [
                "def f():\n    pass\n    return x",
                "def f():\n    x = 1\n    pass",
            ],
        ),
        (
            "statement",
            "def f():\n    if a:\n        g()",
            [
                "def f():\n    pass",
                "def f():\n    if a:\n        pass",
            ],
        ),
        (
            "statement",
            "def f():\n    if a:\n        g()\n    else:\n        h()",
            [
                "def f():\n    if a:\n        pass\n    else:\n        h()",
                "def f():\n    if a:\n        g()\n    else:\n        pass",
            ],
        ),
    ],
)
def test_each_operator_makes_one_change(operator: str, source: str, expected: list[str]) -> None:
    """Each place gives its mutants, and the rest of the source is unchanged."""
    assert made(source, operator) == expected


def test_texts_are_not_mutated() -> None:
    """Docstrings, annotations, texts and log records are not mutated."""
    source = '''
    def f(a: "Literal[1]") -> g(2):
        """Text."""
        logger.debug("text %s", g(3), extra={"x": 4})
    '''
    assert mutants("x.py", textwrap.dedent(source)) == []


def test_every_mutant_of_the_listed_files_is_a_program() -> None:
    """Each mutant compiles, differs from the original, and has a unique id."""
    texts = sources()
    found = [each for path, text in texts.items() for each in mutants(path, text)]
    assert len({each.id for each in found}) == len(found) > 1000
    originals = {path: ast.dump(ast.parse(text)) for path, text in texts.items()}
    for each in drawn(found, 200, 0):
        assert ast.dump(ast.parse(each.applied(texts[each.path]))) != originals[each.path]


def test_a_draw_is_stable() -> None:
    """Moved lines change no draw, and an added function replaces only a few mutants of it."""
    text = Path(__file__).read_text()
    before = {each.id for each in drawn(mutants("x.py", text), 20, 1)}
    moved = {each.id for each in drawn(mutants("x.py", f"import sys\n\n{text}"), 20, 1)}
    more = f"{text}\n\ndef one_more() -> bool:\n    return 1 < 2\n"
    added = {each.id for each in drawn(mutants("x.py", more), 20, 1)}
    assert moved == before
    assert len(before - added) <= 3
    assert {each.id for each in drawn(mutants("x.py", text), 20, 2)} != before


SOURCE = "LIMIT = 3\n\ndef f(a, b=4):\n    return a < b\n"


def mutant(operator: str) -> Mutant:
    """The first mutant of this operator in `SOURCE`."""
    return next(each for each in mutants("x.py", SOURCE) if each.operator == operator)


def test_the_tests_of_a_mutant_are_those_that_run_its_line() -> None:
    """The fastest test comes first; lines that run at import belong to all tests of their file."""
    lines = {"x.py": {"1": [""], "3": [""], "4": ["slow", "fast"]}}
    known = Reached({"slow": 2.0, "fast": 1.0, "other": 0.1}, lines)
    assert list(known.tests_of(mutant("comparison"), SOURCE)) == ["fast", "slow"]
    assert list(known.tests_of(mutant("constant"), SOURCE)) == ["fast", "slow"]
    assert Reached({}, {"x.py": {}}).tests_of(mutant("comparison"), SOURCE) == {}


def test_a_tree_has_a_change_for_one_run(tmp_path: Path) -> None:
    """The copy is mutated, not the original, and is restored after the run."""
    (tmp_path / "kling_async").mkdir()
    (tmp_path / "kling_async" / "x.py").write_text(SOURCE)
    [change] = [each for each in mutants("kling_async/x.py", SOURCE) if each.after == "(a >= b)"]
    trees = Trees(tmp_path, tmp_path / "work", 1)
    with trees.one(change) as tree:
        assert (tree / "kling_async/x.py").read_text() == SOURCE.replace("a < b", "(a >= b)")
        assert (tmp_path / "kling_async/x.py").read_text() == SOURCE
    with trees.one() as tree:
        assert (tree / "kling_async/x.py").read_text() == SOURCE


def test_results_are_kept_for_the_same_tree(tmp_path: Path) -> None:
    """An interrupted run continues; results of another tree are discarded."""
    found = Result("a", "caught", "tests/x.py::test_y", 3, 1.5)
    Results(tmp_path / "results", "the tree").add(found)
    assert Results(tmp_path / "results", "the tree").known == {"a": found}
    assert Results(tmp_path / "results", "another tree").known == {}


def test_the_page_lists_survivors() -> None:
    """A mutant that hangs counts as caught, an equivalent one not at all."""
    made = mutants("kling_async/x.py", SOURCE)
    caught, hung, survived, same = made[0], made[1], made[2], made[3]
    results = {
        caught.id: Result(caught.id, "caught", "tests/x.py::test_y[1]", 3, 1.0),
        hung.id: Result(hung.id, "hung", "", 3, 1.0),
        survived.id: Result(survived.id, "survived", "", 0, 1.0),
    }
    page = markdown([caught, hung, survived, same], results, {same.id: "the reason"}, 50)
    assert "**2 of 3 caught (67 %)**" in page
    head, tail = page.split("## Survived")
    survivors, others = tail.split("## Caught")
    assert survived.id in survivors
    assert caught.id in others
    assert "`test_y`" in others
    assert "a test that hangs" in others
    assert "the reason" in others
    assert same.id not in head
