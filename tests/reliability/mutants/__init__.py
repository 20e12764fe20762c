"""The guarantees, and the mutants that break them: one file for each guarantee, one table for each mutant.

[acks-all]                                    as it is marked in the code: ``# guarantee: acks-all``
effect = "one replica's word is enough"       what the code does then
mutation.value = '"1"'                        how it is changed: see ``mutations``
tests = ["test_producer_keeps_order"]         each must fail then; with parameters, or in at least one case
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.reliability.mutants.mutations import Mutation, marked_lines

PROJECT = Path(__file__).parents[3]
_SUFFIXES = (".py", ".lua")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change that breaks a guarantee. ``file`` and ``tests`` (pytest ids) are as they are found in the project."""

    guarantee: int
    name: str
    effect: str
    file: str
    mutation: Mutation
    tests: tuple[str, ...]

    def applied_to(self, source: str) -> str:
        """The file's text with the mutation. Raises Unmatched where it does not fit."""
        return self.mutation.apply(source, self.name, lua=self.file.endswith(".lua"))


def marked_files() -> dict[str, list[str]]:
    """The files of the package in which each name is marked."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((PROJECT / "stream_app").rglob("*")):
        if path.suffix in _SUFFIXES:
            for name in marked_lines(path.read_text(encoding="utf-8")):
                found[name].append(str(path.relative_to(PROJECT)))
    return found


def _test_files() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((PROJECT / "tests").rglob("test_*.py")):
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            found[name].append(str(path.relative_to(PROJECT)))
    return found


def _mutants(table: dict[str, Any], marked: dict[str, list[str]], tests: dict[str, list[str]]) -> Iterator[Mutant]:
    for name, one in table.items():
        if isinstance(one, dict):
            file = one.get("file") or _only(marked[name], f"the marker {name}")
            ids = tuple(f"{_only(tests[test.split('[')[0]], test)}::{test}" for test in one["tests"])
            yield Mutant(table["guarantee"], name, one["effect"], file, _mutation(one["mutation"]), ids)


def _only(files: list[str], what: str) -> str:
    if len(files) != 1:
        raise LookupError(f"{what} is in {len(files)} files; it must be in one: {files}")
    return files[0]


def _mutation(written: str | dict[str, Any]) -> Mutation:
    if isinstance(written, str):
        return Mutation(written)
    [(kind, how)] = written.items()
    return Mutation(kind, how[1], how[0]) if kind == "text" else Mutation(kind, how)


def _load() -> tuple[dict[int, str], tuple[Mutant, ...]]:
    tables = [tomllib.loads(path.read_text(encoding="utf-8")) for path in Path(__file__).parent.glob("*.toml")]
    tables.sort(key=lambda table: int(table["guarantee"]))
    marked, tests = marked_files(), _test_files()
    mutants = tuple(mutant for table in tables for mutant in _mutants(table, marked, tests))
    return {table["guarantee"]: table["words"] for table in tables}, mutants


GUARANTEES, MUTANTS = _load()
