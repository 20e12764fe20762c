"""Replays the demo's reviews to the processes of all roles: live, or once as fast as they take them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import orjson
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from stream_app.commands.processes import Processes, stopped_by_signal
from stream_app.commands.publish import send
from stream_app.commands.review_files import Line
from stream_app.records import EnrichedReview
from stream_app.settings import Settings, masked_url

console = Console(stderr=True)

_TURN = 20  # reviews among which the turn for the worse is looked for
_FAILED = "ended with exit code"  # of a process, in the message of `processes`


def replay_live(settings: Settings, lines: list[Line], rate: float, folder: Path) -> None:
    from stream_app.kafka.blocking_producer import BlockingProducer

    with (
        stopped_by_signal() as stopped,
        Processes(settings, say=_noting(folder), log_folder=folder / "logs") as processes,
        BlockingProducer(settings) as producer,
    ):
        console.print(outlook(lines, rate) if rate else f"{len(lines)} reviews, as fast as it goes.")
        console.print(
            f"Kafka {settings.brokers}   Redis {masked_url(settings.redis.get_secret_value())}   logs {folder}/logs"
        )
        console.print(f"[bold]Page: {processes.page}[/bold]   Look-ups: {processes.look_ups}   Stop with Ctrl-C.")
        sent = [0]

        def replay() -> None:
            send(lines, producer, rate=rate, on_progress=lambda n: sent.__setitem__(0, n), stopped=stopped.is_set)

        replaying = threading.Thread(target=replay, name="replay", daemon=True)
        replaying.start()
        show = _in_place if console.is_terminal else _each_quarter_minute
        with show() as update:
            while not stopped.wait(0.5):
                processes.keep_running()
                update(lambda: _line(settings, sent[0], len(lines)))
        replaying.join(10)


@contextlib.contextmanager
def _in_place() -> Iterator[Callable[[Callable[[], Text]], None]]:
    with Live(console=console, refresh_per_second=4) as live:
        yield lambda line: live.update(line())


@contextlib.contextmanager
def _each_quarter_minute() -> Iterator[Callable[[Callable[[], Text]], None]]:
    """For a file, or a log of a container."""
    due = time.monotonic()

    def update(line: Callable[[], Text]) -> None:
        nonlocal due
        if time.monotonic() >= due:
            console.print(line(), soft_wrap=True)
            due = time.monotonic() + 15

    yield update


def outlook(lines: Sequence[Line], rate: float) -> str:
    """What will happen when: the length of the replay, the first alerts, and the turn for the worse."""
    stars = [_stars(line) for line in lines]
    bad = [1 <= one <= 2 for one in stars]
    words = f"{len(lines)} reviews in about {_duration(len(lines) / rate)}"
    if not any(bad):
        return f"{words}; no review has one or two stars, so there may be no alert."
    turn = max(range(len(bad)), key=lambda at: (sum(bad[at : at + _TURN]), -at))
    first = bad.index(True)
    begins = f"come after about {_duration(first / rate)}" if first else "come at once"
    turns = f", the story turns after about {_duration(turn / rate)}" if turn > first else ""
    return (
        f"{words}. The first alerts {begins}{turns} (once the models are loaded, in half a minute or so): watch the "
        "page, or the count of alerts below."
    )


def _stars(line: Line) -> int:
    try:
        rating = orjson.loads(line.value).get("rating")
    except (orjson.JSONDecodeError, AttributeError):  # the sample has broken lines, too
        return 0
    return rating if isinstance(rating, int) else 0


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} minutes"


def _noting(folder: Path) -> Callable[[str], None]:
    """Prints the supervisor's messages, and notes a failure, which keeps the logs."""

    def say(line: str) -> None:
        console.print(line)
        if _FAILED in line:
            (folder / "failed").touch()

    return say


def _line(settings: Settings, sent: int, total: int) -> Text:
    """What happens, in one line: how far each part is, and the newest review."""
    from stream_app import contract
    from stream_app.kafka.offsets import end_offsets
    from stream_app.kafka.reader import newest
    from stream_app.kafka.topics import Topics

    topics = Topics(settings.topic_prefix)
    counts = {
        name: sum(end_offsets(settings, topic).values())
        for name, topic in (("enriched", topics.enriched), ("alerts", topics.alerts), ("rejected", topics.dead_letter))
    }
    line = Text(f"published {sent}/{total}  ", "bold")
    line.append("  ".join(f"{name} {count}" for name, count in counts.items()))
    record = newest(settings, topics.enriched)
    review = contract.decode_enriched(record) if record else None
    if isinstance(review, EnrichedReview):
        label = review.sentiment.label if review.sentiment else review.sentiment_missing or review.kind
        line.append(f"   {review.product_id}: {label}, “{(review.summary or '')[:60]}”", "cyan")
    return line


def replay_once(settings: Settings, lines: list[Line], folder: Path, report: Path | None, timeout: float) -> bool:
    from stream_app.commands.run_report import account, starting_point
    from stream_app.kafka.blocking_producer import BlockingProducer
    from stream_app.store.generations import fixed
    from stream_app.store.summaries import RedisSummaryStore

    since = starting_point(settings)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Processes(settings, say=console.print, log_folder=folder / "logs", with_api=False) as processes,
        Progress(*columns, console=console) as progress,
        BlockingProducer(settings) as producer,
    ):
        task = progress.add_task("published", total=len(lines))
        began = time.monotonic()
        send(lines, producer, rate=0, on_progress=lambda n: progress.update(task, completed=n))
        # the processes follow the active view; the account is of the one that is active now
        current = asyncio.run(fixed(settings))
        seconds = _wait_for_roles(current, processes, progress, since, len(lines), began, timeout)
        if seconds is None:
            console.print(f"Not done after {timeout:.0f} s. The ends of the roles' logs:")
            for log in sorted((folder / "logs").glob("*.log")):
                console.print(f"── {log.name}\n{log.read_text(errors='replace')[-2000:]}", markup=False)
        result = account(current, since, RedisSummaryStore.from_settings(current), seconds or timeout)
    text = orjson.dumps(result, option=orjson.OPT_INDENT_2).decode()
    if report is not None:
        report.write_text(text + "\n")
    print(text)
    return seconds is not None and not result.lost and result.applied == result.enriched


def _wait_for_roles(
    settings: Settings,
    processes: Processes,
    progress: Progress,
    since: dict[tuple[str, int], int],
    total: int,
    began: float,
    timeout: float,
) -> float | None:
    """Seconds from ``began`` until the last review was enriched; None when a role has not caught up in time.

    The consumer groups show the end: each role committed everything there is, which `summarize` does only
    after Redis had the time to write it down (``redis_settle_seconds``).
    """
    from stream_app.kafka.groups import lag
    from stream_app.kafka.offsets import end_offsets
    from stream_app.kafka.topics import Topics
    from stream_app.role_table import CONSUMING_ROLES

    topics = Topics(settings.topic_prefix)
    task = progress.add_task("enriched ", total=total)
    seconds: float | None = None
    done = 0
    while time.monotonic() - began < timeout:
        processes.keep_running()
        ends = {name: end_offsets(settings, name) for name in (topics.enriched, topics.dead_letter)}
        so_far = sum(end - since[name, number] for name, parts in ends.items() for number, end in parts.items())
        if so_far > done:
            done, seconds = so_far, time.monotonic() - began
            progress.update(task, completed=min(done, total))
        if all(lag(settings, role) == 0 for role in CONSUMING_ROLES):
            return seconds or time.monotonic() - began
        time.sleep(0.2)  # between two looks at the offsets
    return None
