"""The mutants fit the code: what `make promises` mutates is marked there, and the mutation can be compiled."""

from __future__ import annotations

import json

import pytest

from tests.reliability.mutants import GUARANTEES, MUTANTS, PROJECT, Mutant, marked_files
from tests.reliability.mutants.mutations import Mutation
from tests.reliability.mutants.run import Verdict, lines_of


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_mutant_differs_and_can_be_compiled(mutant: Mutant) -> None:
    """One that cannot be compiled fails every test, and shows nothing."""
    source = (PROJECT / mutant.file).read_text(encoding="utf-8")

    mutated = mutant.applied_to(source)

    assert mutated != source
    if mutant.file.endswith(".py"):
        compile(mutated, mutant.file, "exec")
    elif mutant.file.endswith(".json"):
        json.loads(mutated)


def test_each_marker_has_its_mutant_and_each_mutant_its_marker() -> None:
    """Where the code moved on, the mutants must follow: else a guarantee is no longer looked after."""
    assert set(marked_files()) == {one.name for one in MUTANTS if not one.file.endswith(".json")}


def test_every_guarantee_has_mutants_of_unique_names_and_every_mutant_tests() -> None:
    """All eleven guarantees have mutants."""
    assert {one.guarantee for one in MUTANTS} == set(GUARANTEES) == set(range(1, 12))
    assert len({one.name for one in MUTANTS}) == len(MUTANTS)
    assert all(one.tests for one in MUTANTS)


def test_mutant_that_one_of_its_tests_does_not_notice_counts_as_unnoticed() -> None:
    """Each of the tests that are named must fail."""
    mutant = Mutant(1, "name", "it is gone", "file", Mutation("skip"), ("tests/x.py::one", "tests/x.py::two"))
    assert not Verdict(mutant, ("it said so", None), 0.0).noticed
    assert Verdict(mutant, ("it said so", "and so"), 0.0).noticed
    assert not Verdict(mutant, ("NameError: name 'line' is not defined", "and so"), 0.0).noticed
    assert [line.count("|") for line in lines_of(Verdict(mutant, ("a | b", None), 0.0))] == [6, 5]
