"""`stream-app worker`, `up` and `api`: the processes of the system."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from stream_app.commands.options import Brokers, Redis, TopicPrefix, settings_from

app = typer.Typer()


class Role(StrEnum):
    enrich = "enrich"
    summarize = "summarize"
    describe = "describe"
    notify = "notify"


Summaries = Annotated[
    str | None,
    typer.Option(help="best_effort: T5 never holds a review back; always: wait for T5; off: no T5 at all."),
]


@app.command()
def worker(
    role: Role,
    brokers: Brokers = None,
    redis: Redis = None,
    topic_prefix: TopicPrefix = None,
    summaries: Summaries = None,
) -> None:
    """Run one role until SIGTERM or Ctrl-C, which finish what is in flight and commit.

    enrich: reviews → enriched reviews and alerts.  summarize: enriched reviews → the view in Redis.
    describe: headline and text of products that changed.  notify: alerts → log and page.
    Run as many workers of a role as its topic has partitions.
    """
    from stream_app import telemetry
    from stream_app.roles.run import run_worker

    settings = settings_from(brokers=brokers, redis=redis, topic_prefix=topic_prefix, summaries=summaries)
    telemetry.configure(settings.log_level, settings.log_json)
    run_worker(settings, role.value)


@app.command()
def up(
    brokers: Brokers = None,
    redis: Redis = None,
    topic_prefix: TopicPrefix = None,
    summaries: Summaries = None,
    port: Annotated[int | None, typer.Option(help="Port of the API and the page.")] = None,
) -> None:
    """Run every role and the API, one process each; a process that dies is started again with a growing pause."""
    from rich.console import Console

    from stream_app.commands.processes import Processes

    settings = settings_from(
        brokers=brokers, redis=redis, topic_prefix=topic_prefix, summaries=summaries, api_port=port
    )
    console = Console(stderr=True)
    with Processes(settings, say=console.print) as processes:
        console.print(f"Page: {processes.page}   Stop with Ctrl-C.")
        processes.wait()


@app.command()
def api(
    redis: Redis = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; loopback unless you say otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    topic_prefix: TopicPrefix = None,
) -> None:
    """Serve look-ups and the page from Redis alone. Documentation of the API: /docs."""
    from stream_app import telemetry
    from stream_app.api.app import serve

    settings = settings_from(redis=redis, api_host=host, api_port=port, topic_prefix=topic_prefix)
    telemetry.configure(settings.log_level, settings.log_json)
    serve(settings)
