"""What a run of `make chaos` found: a row for each fault, printed and appended to benchmarks/chaos.md."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from tests.reliability.chaos.rounds import Outcome

RESULTS = Path(__file__).parents[3] / "benchmarks" / "chaos.md"
SHOWN_COMPLAINTS = 40


COUNTED = ("rounds", "lost", "double", "wrong", "stuck", "hidden", "published_twice")


@dataclass(slots=True)
class Row:
    """The totals of all rounds of one fault or pair."""

    rounds: int = 0
    lost: int = 0
    double: int = 0
    wrong: int = 0
    hidden: int = 0
    stuck: int = 0
    published_twice: int = 0
    stall_seconds: float = 0.0
    recovery_seconds: float = 0.0

    def add(self, outcome: Outcome) -> None:
        verdict = outcome.verdict
        self.rounds += 1
        self.lost += len(verdict.lost)
        self.double += len(verdict.double)
        self.wrong += len(verdict.wrong) + len(outcome.unexplained) + len(outcome.without_effect)
        self.hidden += len(outcome.hidden)
        self.stuck += len(outcome.stuck)
        self.published_twice += verdict.published_twice
        self.stall_seconds = max(self.stall_seconds, verdict.stall_seconds)
        self.recovery_seconds = max(self.recovery_seconds, outcome.recovery_seconds)

    @property
    def cells(self) -> list[str]:
        counts = (getattr(self, name) for name in COUNTED)
        return [*map(str, counts), f"{self.stall_seconds:.1f}", f"{self.recovery_seconds:.1f}"]


HEADINGS = (
    "fault",
    "rounds",
    "lost",
    "double",
    "wrong",
    "stuck",
    "hidden",
    "published twice",
    "longest stall, s",
    "longest recovery, s",
)


@dataclass(slots=True)
class Result:
    """A whole run."""

    seed: int
    rows: dict[str, Row] = field(default_factory=lambda: defaultdict(Row))
    complaints: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def total(self) -> Row:
        total = Row()
        for row in self.rows.values():
            for name in COUNTED:
                setattr(total, name, getattr(total, name) + getattr(row, name))
            total.stall_seconds = max(total.stall_seconds, row.stall_seconds)
            total.recovery_seconds = max(total.recovery_seconds, row.recovery_seconds)
        return total

    def lines(self) -> list[list[str]]:
        return [[name, *row.cells] for name, row in sorted(self.rows.items())] + [["all", *self.total.cells]]


def table_of(result: Result) -> Table:
    table = Table(*HEADINGS, title=f"seed {result.seed}, {result.seconds / 60:.0f} minutes")
    for line in result.lines():
        table.add_row(*line)
    return table


def append_to(path: Path, result: Result) -> None:
    """Add the run to the file of results, newest last."""
    if not path.exists():
        path.write_text(f"# Runs of `make chaos`\n\n{__doc__}\n")
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    total = result.total
    lines = [f"\n## {at} UTC, {total.rounds} rounds, seed {result.seed}, {result.seconds / 60:.0f} minutes\n"]
    lines += [f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    lines += [f"| {' | '.join(line)} |" for line in result.lines()]
    if result.complaints:
        lines += ["", *(f"- {what}" for what in result.complaints[:SHOWN_COMPLAINTS])]
    with path.open("a") as file:
        file.write("\n".join(lines) + "\n")
