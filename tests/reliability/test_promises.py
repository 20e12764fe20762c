"""The table of protections fits the code: what `make promises` takes out is there, and so are its tests."""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path

import pytest

from tests.reliability.promises import PROJECT, Verdict, lines_of
from tests.reliability.protections import PROMISES, PROTECTIONS, Protection


@cache
def functions_of(path: Path) -> frozenset[str]:
    return frozenset(
        node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)
    )


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda one: one.name)
def test_protection_stands_in_the_code_exactly_once_and_can_be_taken_out(protection: Protection) -> None:
    """Where the code moved on, the table must follow: else a promise is no longer looked after."""
    text = (PROJECT / protection.file).read_text(encoding="utf-8")

    without = protection.taken_out_of(text)

    assert without != text
    if protection.file.endswith(".py"):
        compile(without, protection.file, "exec")
    elif protection.file.endswith(".json"):
        json.loads(without)


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda one: one.name)
def test_tests_of_a_protection_exist(protection: Protection) -> None:
    """A test that was renamed guards nothing."""
    assert protection.tests
    for test in protection.tests:
        file, _, name = test.partition("::")
        assert name.split("[")[0] in functions_of(PROJECT / file), f"{test} is gone"


def test_every_promise_has_protections_of_unique_names() -> None:
    """None of the nine is forgotten."""
    assert {one.promise for one in PROTECTIONS} == set(PROMISES) == set(range(1, 11))
    assert len({one.name for one in PROTECTIONS}) == len(PROTECTIONS)


def test_text_that_stands_twice_is_refused() -> None:
    """Nobody would know which of the two was taken out."""
    protection = Protection(1, "name", "", "file", "a", "b", ("test",))
    with pytest.raises(ValueError, match="2 times"):
        protection.taken_out_of("a a")


def test_protection_that_one_of_its_tests_does_not_miss_counts_as_unnoticed() -> None:
    """Each of the tests that are named must fail."""
    protection = Protection(1, "name", "it is gone", "file", "a", "b", ("tests/x.py::one", "tests/x.py::two"))
    assert not Verdict(protection, ("it said so", None), 0.0).noticed
    assert Verdict(protection, ("it said so", "and so"), 0.0).noticed
    assert [line.count("|") for line in lines_of(Verdict(protection, ("a | b", None), 0.0))] == [6, 5]
