"""A copy of the project in which mutants are made and tests run."""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.reliability.mutants import PROJECT, Mutant

# A mutant may make a test wait for ever. The test counts as failed after this time, if pytest can end it.
_UNIT_TEST_SECONDS = 15
_TEST_SECONDS = 90  # on real servers, their start included
_FAILED = 1  # pytest's exit code; 2 and more: it could not run the tests


class Unusable(Exception):
    """The run itself went wrong: its result says nothing about the guarantees."""


class Copy:
    """A copy of the project's files in which tests run on the copy's own package, in their subprocesses too."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """``environment``: what tests read, besides this process's."""
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
            **environment,
            "PYTHONPATH": str(folder),
            # a module that is changed twice within a second must not be taken for the one compiled before: what is
            # compiled here is compared by the hash of its source, and nothing is compiled later
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
        }
        compileall.compile_dir(folder, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
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

    def failures(
        self, tests: Sequence[str], *, within: float, errors_too: bool = False, processes: int = 1
    ) -> dict[str, str]:
        """Run the tests; the first line of what each failed one said, by its id with and without parameters.

        An error in a fixture is not a test that noticed something: it counts only where ``errors_too``.
        Raises Unusable when they could not be run, or not within ``within`` seconds.
        """
        report = self.folder / "report.xml"
        report.unlink(missing_ok=True)
        seconds = _UNIT_TEST_SECONDS if all(test.startswith("tests/unit/") for test in tests) else _TEST_SECONDS
        # any other --tb parses the source, which Python 3.11 sometimes fails to do behind a deep traceback
        options = [f"--timeout={seconds}", "-p", "no:cacheprovider", "-q", "--tb=native", f"--junitxml={report}"]
        if processes > 1:
            options += ["-n", str(processes), "--dist", "worksteal"]
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
