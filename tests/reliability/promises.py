"""Run each mutant's tests: each mutant takes out what keeps one guarantee, and all of its tests must fail.

python -m tests.reliability.promises [--list] [--only NAME ...] [--write]

Everything happens in a copy of the project. Exit code 1 when a mutant goes unnoticed, or when the same tests fail
on the project as it is.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.mutants import GUARANTEES, MUTANTS, PROJECT, Mutant

RESULTS = PROJECT / "benchmarks" / "promises.md"

# On a mutant a test may wait for ever: that counts as noticed, after this time for each, if pytest can end it.
_UNIT_TEST_SECONDS = 15
_TEST_SECONDS = 90  # on real servers, their start included
_JUDGING_SECONDS = 300  # all tests of one mutant
_CHECKING_SECONDS = 1200  # all tests of all of them
_FAILED = 1  # pytest's exit code; 2 and more: it could not run the tests
_MESSAGE_CHARACTERS = 110


class Unusable(Exception):
    """The run itself went wrong: its result says nothing about the promises."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests of one mutant said. ``said``: one line per test, None where it did not fail."""

    mutant: Mutant
    said: tuple[str | None, ...]
    seconds: float

    @property
    def noticed(self) -> bool:
        return None not in self.said


class Copy:
    """A copy of the project's files in which tests run on the copy's own package, in their subprocesses too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=PROJECT,
            capture_output=True,
            check=True,
        ).stdout
        for name in filter(None, listed.decode().split("\0")):
            if (PROJECT / name).is_file():  # not one that was deleted, and not committed yet
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT / name, folder / name)
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(folder),
            # a module that is changed twice within a second must not be taken for the one compiled before
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
        }
        self._check_that_the_copy_is_imported()

    def _check_that_the_copy_is_imported(self) -> None:
        """From another folder, as a process that a test starts may do."""
        where = subprocess.run(
            [sys.executable, "-c", "import stream_app; print(stream_app.__file__)"],
            cwd="/",
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        if where != str(self.folder / "stream_app" / "__init__.py"):
            raise Unusable(f"Tests would run on {where} instead of the copy; remove that installation.")

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """The copy has the mutation meanwhile."""
        path = self.folder / mutant.file
        text = path.read_text(encoding="utf-8")
        try:
            path.write_text(mutant.applied_to(text), encoding="utf-8")
            yield
        finally:
            path.write_text(text, encoding="utf-8")

    def failures(self, tests: Sequence[str], *, within: float, errors_too: bool = False) -> dict[str, str]:
        """Run the tests; the first line of what each failed one said, by its id with and without parameters.

        An error in a fixture is not a test that noticed something: it counts only where ``errors_too``.
        Raises Unusable when they could not be run, or not in so many seconds.
        """
        report = self.folder / "report.xml"
        report.unlink(missing_ok=True)
        seconds = _UNIT_TEST_SECONDS if all(test.startswith("tests/unit/") for test in tests) else _TEST_SECONDS
        # any other --tb parses the source, which Python 3.11 sometimes fails to do behind a deep traceback
        options = [f"--timeout={seconds}", "-p", "no:cacheprovider", "-q", "--tb=native", f"--junitxml={report}"]
        with (self.folder / "pytest.log").open("w") as log:
            try:
                code = subprocess.run(
                    [sys.executable, "-m", "pytest", "-m", "slow or not slow", *options, *tests],
                    cwd=self.folder,
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                    timeout=within,
                ).returncode
            except subprocess.TimeoutExpired as error:  # asyncio can swallow what pytest-timeout raises
                raise Unusable(f"pytest did not end in {within} s on {' '.join(tests)}") from error
        if code not in (0, _FAILED) or not report.exists():
            tail = (self.folder / "pytest.log").read_text(errors="replace")[-3000:]
            raise Unusable(f"pytest ended with {code} on {' '.join(tests)}:\n{tail}")
        return _failures_in(report, ("failure", "error") if errors_too else ("failure",))


def _failures_in(report: Path, kinds: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        for failure in (part for kind in kinds for part in case.findall(kind)):
            said = " ".join((failure.get("message") or "failed").split())
            name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
            for known in (name, name.split("[")[0]):
                found.setdefault(known, said.removeprefix("AssertionError: "))
    return found


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
    said = re.sub(r"/\S*stream-app-promises-\w+/", "", said.replace(sys.executable, "python"))  # this machine's paths
    said = said.replace("|", "\\|")
    return said if len(said) <= _MESSAGE_CHARACTERS else f"{said[: _MESSAGE_CHARACTERS - 1]}…"


_HEAD = "| promise | what was taken out | test | what it said |\n|---|---|---|---|"


def written(verdicts: Sequence[Verdict]) -> str:
    """benchmarks/promises.md."""
    promises = "\n".join(f"{number}. {words}" for number, words in GUARANTEES.items())
    rows = "\n".join(line for verdict in verdicts for line in lines_of(verdict))
    noticed = sum(verdict.noticed for verdict in verdicts)
    return (
        "# What keeps each promise, and the test that notices when it is gone\n\n"
        "Written by `make promises`, which takes each line out in a copy of the project and runs its tests.\n\n"
        f"{promises}\n\n{noticed} of {len(verdicts)} protections are noticed when they are taken out.\n\n"
        f"{_HEAD}\n{rows}\n"
    )


def main() -> int:
    """Exit code 1: a mutant survives, or a test fails without any change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="names of the mutants, by promise")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="names, or numbers of promises")
    parser.add_argument("--write", action="store_true", help=f"write the table to {RESULTS.relative_to(PROJECT)}")
    options = parser.parse_args()
    mutants = chosen(options.only)
    if options.list:
        for one in mutants:
            print(f"{one.guarantee}  {one.name:42} {one.effect}")
        return 0

    with tempfile.TemporaryDirectory(prefix="stream-app-promises-") as folder:
        copy = Copy(Path(folder).resolve())
        print(_HEAD)
        verdicts = []
        for mutant in mutants:
            verdicts.append(checker(copy, mutant))
            print("\n".join(lines_of(verdicts[-1])), flush=True)
        every = sorted({test for one in mutants for test in one.tests})
        wrong = copy.failures(every, within=_CHECKING_SECONDS, errors_too=True)

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


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the copy is removed, and the tests end
    try:
        sys.exit(main())
    except Unusable as error:
        sys.exit(f"{error}")
