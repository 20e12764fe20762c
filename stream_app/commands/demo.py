"""`stream-app demo`: the whole system on this machine, fed with a stream of reviews."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from stream_app.commands.demo_replay import console, replay_live, replay_once
from stream_app.commands.options import Brokers, Redis, TopicPrefix, settings_from
from stream_app.commands.review_files import read_lines
from stream_app.models.model_store import fetch_bases
from stream_app.settings import Settings

app = typer.Typer()

_WITHIN = timedelta(hours=20)
_TEXT_INTERVAL_SECONDS = 5.0  # headlines follow the reviews during the demo


@app.command()
def demo(
    input_file: Annotated[
        Path | None, typer.Option("--input", help="JSONL or CSV of reviews; default: the sample stream.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Reviews per second of the replay.")] = 5.0,
    once: Annotated[
        bool, typer.Option("--once", help="Replay as fast as it goes, wait until every role is done, report, exit.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="With --once: write the report to this JSON file.")] = None,
    retime: Annotated[
        bool | None,
        typer.Option(
            help="Bring dates into the last 20 hours, with --once only shift them; default: for the live demo."
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(help="With --once: seconds to wait for the end before giving up.")] = 900.0,
    port: Annotated[int | None, typer.Option(help="Port of the page.")] = None,
    brokers: Brokers = None,
    redis: Redis = None,
    topic_prefix: TopicPrefix = None,
) -> None:
    """Start Kafka and Valkey on loopback, all roles and the page; replay reviews; stop everything on Ctrl-C.

    With --once: replay, wait until every role has caught up, write the report, and exit with 0, or with 1 when
    any accepted review is neither enriched nor in the dead letter, or was not applied.
    """
    flags: dict[str, object] = {"brokers": brokers, "redis": redis, "topic_prefix": topic_prefix}
    flags["api_internal_port"] = port
    if once:
        flags["summaries"] = "always"
    flags["text_min_interval_seconds"] = _TEXT_INTERVAL_SECONDS
    flags["api_operations"] = True
    retime = not once if retime is None else retime
    lines = read_lines(
        input_file or _sample(),
        retime_to=datetime.now(UTC) if retime else None,
        within=None if once else _WITHIN,  # else the pages' 24 hours would be empty until the last reviews
    )
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch_folder(console.print))
        flags["state_folder"] = str(folder / "state")
        wanted = settings_from_flags(flags)
        fetch_bases(wanted, console.print)
        settings = stack.enter_context(_servers(wanted, folder, brokers, redis))
        _create_topics(settings)
        if not once:
            replay_live(settings, lines, rate, folder)
        elif not replay_once(settings, lines, folder, report, timeout):
            raise typer.Exit(1)


def settings_from_flags(flags: dict[str, object]) -> Settings:
    """Settings of a demo: what is not named is started by the demo itself, never an address from the environment."""
    return settings_from(**{**flags, "brokers": flags["brokers"] or "embedded", "redis": flags["redis"] or "embedded"})


@contextlib.contextmanager
def _servers(settings: Settings, folder: Path, brokers: str | None, redis: str | None) -> Iterator[Settings]:
    """The settings with the addresses of the servers given, and of embedded ones for those not given."""
    from stream_app.embedded.kafka import EmbeddedKafka
    from stream_app.embedded.valkey import EmbeddedValkey

    with contextlib.ExitStack() as stack:
        addresses: dict[str, object] = {}
        if brokers is None:
            kafka = EmbeddedKafka(folder / "kafka", say=console.print)
            stack.callback(kafka.stop)
            kafka.start()
            addresses["brokers"] = kafka.address
        if redis is None:
            valkey = EmbeddedValkey(folder / "valkey", say=console.print)
            stack.callback(valkey.stop)
            valkey.start()
            addresses["redis"] = SecretStr(valkey.url)
        yield settings.model_copy(update=addresses)


def _create_topics(settings: Settings) -> None:
    from stream_app.kafka.topic_check import repair_topics
    from stream_app.kafka.topics_admin import create_topics

    create_topics(settings)
    repair_topics(settings)  # where the brokers are the user's, topics may be there already


def _sample() -> Path:
    return Path(__file__).parent.parent / "embedded" / "sample" / "reviews.jsonl"


@contextlib.contextmanager
def scratch_folder(say: Callable[[str], None]) -> Iterator[Path]:
    """A folder for servers and logs that goes away at the end. Where something failed, by an exception or by a file
    ``failed`` in it, the logs are kept, and their folder is printed.
    """
    with tempfile.TemporaryDirectory(prefix="stream-app-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        failed = True
        try:
            yield folder
            failed = (folder / "failed").exists()
        except KeyboardInterrupt:
            failed = False
            raise
        finally:
            if failed and (folder / "logs").is_dir():
                kept = Path(tempfile.mkdtemp(prefix="stream-app-logs-"))
                shutil.copytree(folder / "logs", kept, dirs_exist_ok=True)
                say(f"Something failed: the logs of all processes are kept in {kept}.")
