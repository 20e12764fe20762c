"""Shows dead letters to people, with what a terminal would obey escaped, and to programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from stream_app import contract
from stream_app.commands.dead_letter_filter import Entry, by_count
from stream_app.commands.dead_letter_replay import Outcome, Plan
from stream_app.commands.terminal import printable, printable_bytes

_NAMED = 20  # dead letters that are named one by one
_WIDTH_OF_A_PIPE = 240


def print_table(shown: list[Entry]) -> None:
    """A line each. Neither key nor detail: both may hold what a person wrote."""
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_PIPE  # programs want a dead letter on one line
    table = Table(
        "dead letter", "written", "reason", "came from", Column("bytes", justify="right"), "a replay of", box=None
    )
    for entry in shown:
        origin = f"{entry.origin.topic} {entry.origin.partition}:{entry.origin.offset}" if entry.origin else "?"
        table.add_row(
            str(entry.place),
            _when(entry.at_ms),
            Text(printable(entry.reason), "red"),
            Text(printable(origin)),
            "–" if entry.size_bytes is None else str(entry.size_bytes),
            Text(printable(_spaced(entry.replay_of))),
        )
    console.print(table, highlight=False)


def print_counts(counts: Counter[str], shown: int) -> None:
    total = counts.total()
    rest = f", the newest {shown} shown (--limit 0: all)" if shown < total else ""
    print(f"{number_of(total)}{rest}: {by_count(counts)}")


def print_dead_letter(dead_letter: contract.DeadLetter) -> None:
    """All of it."""
    record, origin = dead_letter.record, dead_letter.origin
    fields = {
        "dead letter": f"{record.topic} {record.partition}:{record.offset}",
        "written": _when(record.timestamp_ms),
        "reason": printable(dead_letter.reason),
        "detail": printable(dead_letter.detail),
        "came from": printable(f"{origin.topic} {origin.partition}:{origin.offset}") if origin else "?",
        "a replay of": printable(_spaced(dead_letter.replay_of)),
        "key": printable_bytes(record.key),
        "left out": printable(", ".join(dead_letter.dropped)),
    }
    for name, text in fields.items():
        if text:
            print(f"{name:12} {text}")
    print("headers")
    for name, value in record.headers:
        print(f"  {printable(name)}: {printable_bytes(value)}")
    if record.value is None:
        print(f"value        null: {why_no_value(dead_letter)}")
    else:
        print(f"value        {len(record.value)} bytes\n{printable_bytes(record.value, lines=True)}")


def why_no_value(dead_letter: contract.DeadLetter) -> str:
    if not dead_letter.lacks_original:
        return "the original has none"
    where = (
        f" in {dead_letter.origin.topic} at {dead_letter.origin.partition}:{dead_letter.origin.offset}"
        if dead_letter.origin
        else ""
    )
    return f"the original is not kept here, whole; it may still be{where or ' where it came from'}"


def print_nothing(plan: Plan) -> None:
    """Why nothing is chosen, where it is not for what was left."""
    if plan.left:
        print("Nothing to replay.")
    elif not plan.reasons:
        print("Nothing to replay: there are no dead letters.")
    else:
        print(
            f"Nothing to replay: none of the {plan.reasons.total()} dead letters matches. Their reasons: "
            f"{by_count(plan.reasons)}. `stream-app dead-letter list` shows them."
        )


def print_left(plan: Plan) -> None:
    """How many are not replayed, and why."""
    for why, left in plan.left.items():
        print(f"left: {len(left)} {why}")
    if plan.beyond_limit:
        print(f"left: {plan.beyond_limit} beyond --limit")


def print_dry_run(plan: Plan) -> None:
    for entry in plan.chosen[:_NAMED]:
        assert entry.origin is not None
        print(f"would replay {entry.place} ({printable(entry.reason)}) to {entry.origin.topic}")
    if (more := len(plan.chosen) - _NAMED) > 0:
        print(f"and {more} more")
    reasons = Counter(entry.reason for entry in plan.chosen)
    print(f"Would replay {number_of(len(plan.chosen))} to {topics_of(plan)}: {by_count(reasons)}. Nothing was done.")


def certain(plan: Plan, outcome: Outcome) -> str:
    return f"{sum(outcome.published.values())} of {len(plan.chosen)} are replayed for certain."


def topics_of(plan: Plan) -> str:
    return ", ".join(sorted({entry.origin.topic for entry in plan.chosen if entry.origin is not None}))


def number_of(count: int) -> str:
    return f"{count} dead letter{'' if count == 1 else 's'}"


def _spaced(replay_of: str | None) -> str:
    """topic/partition/offset as the other columns write it."""
    topic, _, rest = (replay_of or "").partition("/")
    return f"{topic} {rest.replace('/', ':')}".strip()


def json_of(entry: Entry) -> dict[str, object]:
    """A dead letter of the list, for programs."""
    return {
        "partition": entry.place.partition,
        "offset": entry.place.offset,
        "written": _when(entry.at_ms),
        "reason": entry.reason,
        "origin": entry.origin._asdict() if entry.origin else None,
        "bytes": entry.size_bytes,
        "replay_of": entry.replay_of,
        "lacks_original": entry.lacks_original,
    }


def _when(ms: int) -> str:
    try:
        return contract.to_rfc3339(ms)
    except OverflowError:  # a timestamp beyond the year 9999
        return f"{ms} ms"


def some(items: Iterable[object]) -> str:
    """The first of them, and how many more there are."""
    words = [str(item) for item in items]
    more = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {more} more" if more > 0 else "")
