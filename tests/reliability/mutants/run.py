"""Run each mutant's tests. A mutant removes code that enforces a guarantee, so all of its tests must fail.

python -m tests.reliability.mutants [--list] [--only NAME ...] [--jobs 2] [--write]

Mutants are made in copies of the project, one for each job. Exit code 1 if a mutant survives, or if its tests fail
without it.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.embedded.valkey import EmbeddedValkey
from tests.reliability.mutants import GUARANTEES, MUTANTS, PROJECT, Mutant
from tests.reliability.mutants.project_copy import Copy, Unusable

RESULTS = PROJECT / "benchmarks" / "promises.md"

_JUDGING_SECONDS = 300  # all tests of one mutant
_CHECKING_SECONDS = 1200  # all tests of all of them
_MESSAGE_CHARACTERS = 110


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests of one mutant said. ``said``: one line per test, None where it did not fail."""

    mutant: Mutant
    said: tuple[str | None, ...]
    seconds: float

    @property
    def noticed(self) -> bool:
        """Did each test fail? A mutant whose code has a name that does not exist shows nothing."""
        return not any(one is None or one.startswith("NameError") for one in self.said)


def checker(copy: Copy, mutant: Mutant) -> Verdict:
    """Mutate the copy, run the tests, put it back. Tests that cannot be run to their end notice nothing."""
    began = time.monotonic()
    with copy.mutated(mutant):
        try:
            said = copy.failures(mutant.tests, within=_JUDGING_SECONDS)
        except Unusable as error:
            print(f"{mutant.name}: {error}", flush=True)
            said = {}
    return Verdict(mutant, tuple(map(said.get, mutant.tests)), time.monotonic() - began)


def in_parallel(copies: Sequence[Copy], mutants: Sequence[Mutant]) -> Iterator[Verdict]:
    """The verdicts in the order of the mutants; each copy holds one mutant at a time."""
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def judged(mutant: Mutant) -> Verdict:
        copy = free.get()
        try:
            return checker(copy, mutant)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        yield from pool.map(judged, mutants)


def chosen(names: Sequence[str]) -> list[Mutant]:
    """Those with these names, or of guarantees with these numbers; all where none is given."""
    unknown = set(names) - {one.name for one in MUTANTS} - {str(number) for number in GUARANTEES}
    if unknown:
        raise SystemExit(f"There is no mutant {', '.join(sorted(unknown))}: --list names all.")
    return [one for one in MUTANTS if not names or one.name in names or str(one.guarantee) in names]


def lines_of(verdict: Verdict) -> Iterator[str]:
    """As rows of the table: one per test."""
    mutant = verdict.mutant
    for test, said in zip(mutant.tests, verdict.said, strict=True):
        short = "**nothing: it did not fail**" if said is None else _cut(said)
        name = test.removeprefix("tests/").replace("::", " :: ")
        yield f"| {mutant.guarantee} | {mutant.name}: {mutant.effect} | {name} | {short} |"


def _cut(said: str) -> str:
    said = said.replace(sys.executable, "python").replace(f"{sys.prefix}/", "")  # this machine's paths
    said = re.sub(r"/\S*(?:stream-app-promises-\w+/\d+|pytest-of-\w+/pytest-\d+)/", "", said)
    said = said.replace("|", "\\|")
    return said if len(said) <= _MESSAGE_CHARACTERS else f"{said[: _MESSAGE_CHARACTERS - 1]}…"


@contextmanager
def servers(folder: Path) -> Iterator[dict[str, str]]:
    """A Kafka and a Valkey for all runs of tests, as the variables that tests/conftest.py reads."""
    kafka, valkey = EmbeddedKafka(folder / "kafka", port=0, say=print), EmbeddedValkey(folder / "valkey", port=0)
    with ExitStack() as stack:
        stack.callback(kafka.stop)
        kafka.start()
        stack.callback(valkey.stop)
        valkey.start()
        yield {"STREAM_APP_TEST_KAFKA": kafka.address, "STREAM_APP_TEST_VALKEY": valkey.url}


_HEAD = "| guarantee | mutant | test | failure |\n|---|---|---|---|"


def written(verdicts: Sequence[Verdict]) -> str:
    """benchmarks/promises.md."""
    guarantees = "\n".join(f"{number}. {words}" for number, words in GUARANTEES.items())
    rows = "\n".join(line for verdict in verdicts for line in lines_of(verdict))
    noticed = sum(verdict.noticed for verdict in verdicts)
    return (
        "# The mutants of each guarantee, and the tests that fail on them\n\n"
        "Written by `make promises`, which makes each mutant in a copy of the project and runs its tests.\n\n"
        f"{guarantees}\n\n{noticed} of {len(verdicts)} mutants are noticed.\n\n"
        f"{_HEAD}\n{rows}\n"
    )


def main() -> int:
    """Exit code 1: a mutant survives, or a test fails without any change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="names of the mutants, by guarantee")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="names, or numbers of guarantees")
    parser.add_argument("--jobs", type=int, default=1, help="how many mutants at once")
    parser.add_argument("--write", action="store_true", help=f"write the table to {RESULTS.relative_to(PROJECT)}")
    options = parser.parse_args()
    mutants = chosen(options.only)
    if options.list:
        for one in mutants:
            print(f"{one.guarantee}  {one.name:42} {one.effect}")
        return 0

    with (
        tempfile.TemporaryDirectory(prefix="stream-app-promises-", ignore_cleanup_errors=True) as name,
        servers(folder := Path(name).resolve()) as running,
    ):
        copies = [Copy(folder / str(number), running) for number in range(options.jobs)]
        print(_HEAD)
        verdicts = []
        for verdict in in_parallel(copies, mutants):
            verdicts.append(verdict)
            print("\n".join(lines_of(verdict)), flush=True)
        every = sorted({test for one in mutants for test in one.tests})
        wrong = copies[0].failures(every, within=_CHECKING_SECONDS, errors_too=True, processes=options.jobs)

    survived = [verdict.mutant.name for verdict in verdicts if not verdict.noticed]
    seconds = sum(verdict.seconds for verdict in verdicts)
    print(f"\n{len(verdicts) - len(survived)} of {len(verdicts)} noticed, in {seconds:.0f} s")
    if survived:
        print(f"SURVIVED: {', '.join(survived)}")
    for test, said in wrong.items():
        print(f"FAILS WITHOUT ANY CHANGE: {test}: {said}")
    if options.write:
        RESULTS.write_text(written(verdicts), encoding="utf-8")
    return 1 if survived or wrong else 0
