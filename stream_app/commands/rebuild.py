"""`stream-app rebuild`: the view in Redis made again from `reviews.enriched`, while the old one serves."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from stream_app.commands.options import Brokers, Redis, TopicPrefix, environment_of, settings_from
from stream_app.commands.watched import Watched
from stream_app.ports import ConfigurationError, Unavailable
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.commands.processes import Child
    from stream_app.rebuild.plan import Plan
    from stream_app.rebuild.rebuild import Rebuild

app = typer.Typer()
console = Console(stderr=True)

_DEATHS_WITHOUT_PROGRESS = 5
_STOP_SECONDS = 20.0
_CANCEL_AGAIN_SECONDS = 1.0
_SILENT_SECONDS = 60.0  # without progress, after which the log of the workers is named


@app.command()
def rebuild(
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss",
            help="Continue although the log is another one, or lacks its beginning, or the new view has fewer reviews.",
        ),
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start over instead of continuing what an earlier run began.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that read; at most one per partition is useful.")] = 1,
    brokers: Brokers = None,
    redis: Redis = None,
    topic_prefix: TopicPrefix = None,
    replay: Annotated[bool, typer.Option("--replay", hidden=True, help="One of those processes.")] = False,
) -> None:
    """Rebuild the view in Redis from the enriched reviews, next to the old one; then switch and delete the old one.

    Needs no model and no GPU. Running workers and API processes follow the switch by themselves; product pages are
    served all the time. Stopped or killed anywhere, the next run continues where this one was.
    Exit code 1: not finished, run it again; or refused, because the new view would be of another log or hold fewer
    reviews than the active one, which continues to serve. 2: something must be changed first. The message states what.
    """
    from stream_app import telemetry

    settings = settings_from(brokers=brokers, redis=redis, topic_prefix=topic_prefix)
    telemetry.configure(settings.log_level, settings.log_json)
    if replay:
        from stream_app.rebuild.replay import run_view_replay

        run_view_replay(settings)
        return
    if dry_run:  # the user waits for the answer; that a server is away is one, too
        settings = settings.model_copy(update={"redis_patience_seconds": 0.0, "publish_patience_seconds": 0.0})

    from stream_app.exit_now import exit_now
    from stream_app.rebuild.rebuild import Rebuild
    from stream_app.rebuild.refusals import RebuildRefused

    with Watched() as progress, _refused(RebuildRefused):
        log = Path(settings.state_folder) / "rebuild.log"
        made = Rebuild(
            settings,
            Workers(workers, log, progress.say),
            progress,
            accept_loss=accept_loss,
            restart=restart,
        )
        if dry_run:
            _tell(asyncio.run(_closing(made, made.plan())))
            return
        # `asyncio.run` would wait at its end for a thread that waits for Kafka
        active = asyncio.new_event_loop().run_until_complete(_closing(made, _until_signalled(made.run())))
    if active is None:
        console.print("Stopped before the end. Run `stream-app rebuild` again: it goes on where this run was.")
        exit_now(1)  # guarantee: stopped-rebuild-does-not-wait-for-a-thread
    console.print(f"Done: generation {active} serves.", highlight=False)


@contextmanager
def _refused(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        print(f"stream-app: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


async def _closing(made: Rebuild, work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await work
    finally:
        await made.close()


async def _until_signalled(work: Coroutine[Any, Any, int]) -> int | None:
    """Its result; None when SIGINT or SIGTERM came first.

    It is cancelled again each second until it ends: before Python 3.12 `asyncio.wait_for` may lose a cancellation.
    """
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        if not task.done():
            task.cancel()
            loop.call_later(_CANCEL_AGAIN_SECONDS, stop)  # guarantee: lost-cancellation-is-repeated

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not stopped:
            raise
        return None


def _tell(plan: Plan) -> None:
    print(f"active: generation {plan.active}" + ("" if plan.serves else ", but Redis holds nothing of it"))
    if plan.generation is None:
        print("to do: the last rebuild switched already; its leftovers are to be deleted")
    elif plan.resumed:
        print(f"to do: go on with generation {plan.generation}: {plan.done} of {plan.events} events are in it")
    else:
        print(f"to do: build generation {plan.generation} from {plan.events} events, then switch")
    for number in plan.leftovers:
        print(f"to delete: keys of generation {number}")


def _opened(log: Path) -> IO[bytes]:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("ab")
    except OSError as error:
        raise ConfigurationError(
            f"The log {log} cannot be written: {error.strerror}. Set STREAM_APP_STATE_FOLDER to a folder that can be."
        ) from error


class Workers:
    """rebuild.filling.Workers: processes of this command. They die with it, however it dies."""

    def __init__(self, count: int, log: Path, say: Any) -> None:
        """``log``: where they write; what matters is said by ``say``."""
        self.count = count
        self._log = log
        self._say = say
        self._children: list[Child] = []
        self._open: IO[bytes] | None = None
        self._deaths = 0
        self._progressed_at = 0.0

    def start(self, settings: Settings, *, silently: bool) -> None:
        """Begin: `replay` where ``silently``, else `summarize` itself."""
        from stream_app.commands.processes import Child

        command = ["rebuild", "--replay"] if silently else ["worker", "summarize"]
        environment = environment_of(settings) | {
            "STREAM_APP_METRICS_PORT": "0"
        }  # the port is a worker's of the system
        if self._open is None:
            self._open = _opened(self._log)
        self._deaths = 0
        self._progressed_at = time.monotonic()
        self._children = [
            Child(
                f"{command[-1].strip('-')} {number}",
                [sys.executable, "-m", "stream_app", *command],
                environment,
                self._open,
            )
            for number in range(1, self.count + 1)
        ]
        for child in self._children:
            child.start()

    def keep_running(self, *, progressed: bool) -> None:
        """Start again what died. Raises Unavailable when they die again and again without progress."""
        now = time.monotonic()
        if progressed:
            self._deaths, self._progressed_at = 0, now
        elif now - self._progressed_at > _SILENT_SECONDS:
            self._progressed_at = now
            self._say(f"No review was applied for {_SILENT_SECONDS:.0f} s; still trying. {self._log} says what waits.")
        for child in self._children:
            child.keep_running(self._died)
        if self._deaths >= _DEATHS_WITHOUT_PROGRESS:
            raise Unavailable(
                f"The process that fills the view died {self._deaths} times without progress; {self._log} says why."
            )

    def _died(self, how: str) -> None:
        self._deaths += 1
        self._say(f"{how} Its log: {self._log}")

    async def stop(self) -> None:
        """Let them finish, commit and leave the group. Does nothing where none runs."""
        for child in self._children:
            child.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        while self._children:
            await asyncio.to_thread(self._children[0].join, deadline)
            del self._children[0]  # not before: where this is cancelled, the next call waits
        if self._open is not None:
            self._open.close()
            self._open = None
