"""Each kind of mutation changes what is marked, and refuses what it does not fit."""

from __future__ import annotations

import ast

import pytest

from tests.reliability.mutants.mutations import Mutation, Unmatched, marked_lines


@pytest.mark.parametrize(
    ("mutation", "marked", "mutated"),
    [
        (Mutation("skip"), "save()  # guarantee: x", "pass"),
        (Mutation("skip"), "if a:  # guarantee: x\n    b()", "pass"),
        (Mutation("skip"), "save(\n    a,\n    b,  # guarantee: x\n)", "save(a)"),
        (Mutation("skip"), "c = (\n    a\n    # guarantee: x\n    and b\n)", "c = a"),
        (Mutation("never"), "if a:\n    b()\nelif c:  # guarantee: x\n    d()", "if a:\n    b()\nelif False:\n    d()"),
        (Mutation("never"), "def f():\n    return a < b  # guarantee: x", "def f():\n    return False"),
        (Mutation("never"), "c = a if b else d  # guarantee: x", "c = a if False else d"),
        (Mutation("never"), "try:\n    a()\nexcept E:  # guarantee: x\n    b()", "try:\n    a()\nexcept ():\n    b()"),
        (
            Mutation("always"),
            "try:\n    a()\nexcept E:  # guarantee: x\n    b()",
            "try:\n    a()\nexcept Exception:\n    b()",
        ),
        (Mutation("always"), "c = [a for a in b if a > 0]  # guarantee: x", "c = [a for a in b if True]"),
        (Mutation("always"), "with a:  # guarantee: x\n    b()", "if True:\n    b()"),
        (Mutation("without_first"), "if a and b:  # guarantee: x\n    c = d + e", "if b:\n    c = d + e"),
        (Mutation("without_last"), "a = b + c + d  # guarantee: x", "a = b + c"),
        (Mutation("without_last"), "assert 0 < a < b  # guarantee: x", "assert 0 < a"),
        (Mutation("call_at_once"), "publish(a, done)  # guarantee: x", "publish(a, lambda: None)\ndone()"),
        (Mutation("value", "1"), "a = {\n    'b': 2,  # guarantee: x\n}", "a = {'b': 1}"),
        (Mutation("value", "1"), "f(\n    a=2,  # guarantee: x\n)", "f(a=1)"),
        (Mutation("argument", "[]"), "f(a, [b(c)])  # guarantee: x", "f(a, [])"),
        (Mutation("instead", "b()\nc()"), "if d:\n    a()  # guarantee: x", "if d:\n    b()\n    c()"),
        (Mutation("instead", "c()"), "a()  # guarantee: x\nb()  # guarantee: y, x", "c()\npass"),
        (Mutation("text", ">=", ">"), "# guarantee: x\na = b > c\nd = e > f", "a = b >= c\nd = e > f"),
    ],
)
def test_what_is_marked_is_mutated(mutation: Mutation, marked: str, mutated: str) -> None:
    """And nothing else."""
    assert normal(mutation.apply(marked, "x")) == normal(mutated)


def normal(source: str) -> str:
    """Without comments and layout."""
    return ast.unparse(ast.parse(source))


@pytest.mark.parametrize(
    ("kind", "marked", "mutated"),
    [
        ("skip", "  call(1) -- guarantee: x", ""),
        ("never", "  if a and b then -- guarantee: x", "  if false then"),
        ("always", "  return a > b -- guarantee: x", "  return true"),
    ],
)
def test_marked_line_of_lua_is_mutated(kind: str, marked: str, mutated: str) -> None:
    """Line by line: there is no parser."""
    assert Mutation(kind).apply(f"one()\n{marked}\ntwo()", "x", lua=True) == f"one()\n{mutated}\ntwo()"


@pytest.mark.parametrize(
    ("mutation", "source"),
    [
        (Mutation("skip"), "a()"),
        (Mutation("never"), "a()  # guarantee: x"),
        (Mutation("without_last"), "a()  # guarantee: x"),
        (Mutation("argument", "1"), "a()  # guarantee: x"),
        (Mutation("value", "1"), "pass  # guarantee: x"),
        (Mutation("text", "b", "a"), "a = a  # guarantee: x"),
        (Mutation("text", "b", "a"), "a = a"),
        (Mutation("unknown"), "a()  # guarantee: x"),
    ],
)
def test_what_does_not_fit_is_refused(mutation: Mutation, source: str) -> None:
    """A mutant that changes nothing would count as unnoticed, one that changes something else as noticed."""
    with pytest.raises(Unmatched):
        mutation.apply(source, "x")


def test_marker_before_a_line_marks_the_code_after_it() -> None:
    """For lines that are too long for one more comment."""
    source = "# guarantee: x\n# why\n\na()\nb()  # noqa: F821 - why  # guarantee: y, x\n"
    assert marked_lines(source) == {"x": [4, 5], "y": [5]}
