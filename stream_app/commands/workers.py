"""`stream-app worker`, `up` and `api`: the processes of the system."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from stream_app.commands.options import Brokers, Redis, TopicPrefix, settings_from
from stream_app.ports import BrokerUnavailable, Explainer
from stream_app.settings import Settings

app = typer.Typer()

PagePort = Annotated[
    int | None,
    typer.Option(help="Port of the page, alerts, metrics and docs: not public. The same as --port: one for all."),
]


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
    describe: headline and text of products that changed.  notify: alerts → receivers, log and page.
    Run as many workers of a role as its topic has partitions.
    """
    from stream_app import telemetry
    from stream_app.commands.processes import Member
    from stream_app.roles.last_errors import LastErrors
    from stream_app.roles.run import process_name, run_worker

    settings = settings_from(brokers=brokers, redis=redis, topic_prefix=topic_prefix, summaries=summaries)
    name = Member(role.value, settings.worker_number).name if settings.worker_number else ""
    telemetry.configure(settings.log_level, settings.log_json, worker=name)
    errors = LastErrors(settings, role.value, process_name(name or role.value))
    telemetry.report_errors_to(errors.take, errors.flush)
    errors.start()
    try:
        run_worker(settings, role.value)
    except Exception as error:  # whatever it is: it is raised again
        telemetry.process_ended(telemetry.error_in_words(error))
        raise


@app.command()
def up(
    brokers: Brokers = None,
    redis: Redis = None,
    topic_prefix: TopicPrefix = None,
    summaries: Summaries = None,
    port: Annotated[int | None, typer.Option(help="Port of look-ups.")] = None,
    page_port: PagePort = None,
    enrich: Annotated[
        int,
        typer.Option(min=1, help="Processes of enrich, the role with the models; at most one per partition is useful."),
    ] = 1,
) -> None:
    """Run every role and the API, one process each; a process that dies is started again with a growing pause.

    With --enrich N, N processes share the partitions of the reviews and the cores of a CPU: enrich, enrich-2, …
    With STREAM_APP_METRICS_PORT=9100 enrich has its metrics there, and each further worker one port higher.
    """
    from rich.console import Console

    from stream_app.commands.processes import Processes
    from stream_app.models.model_store import fetch_bases

    settings = settings_from(
        brokers=brokers,
        redis=redis,
        topic_prefix=topic_prefix,
        summaries=summaries,
        api_port=port,
        api_internal_port=page_port,
    )
    console = Console(stderr=True)
    fetch_bases(settings, console.print)
    if enrich > 1 and (warning := spare_members(settings, enrich)):
        console.print(warning)
    with Processes(settings, say=console.print, enrich=enrich) as processes:
        console.print(f"Page: {processes.page}   Look-ups: {processes.look_ups}   Stop with Ctrl-C.")
        if processes.metrics_ports:
            ports = ", ".join(f"{name} {port}" for name, port in processes.metrics_ports.items())
            console.print(f"Metrics on {settings.metrics_host}: {ports}")
        processes.wait()


def spare_members(settings: Settings, enrich: int) -> str:
    """A sentence for people when more processes run than there are partitions; "" otherwise, or when no broker answers.

    Raises ConfigurationError when the topic does not exist.
    """
    from stream_app.kafka.offsets import end_offsets
    from stream_app.kafka.topics import Topics

    topic = Topics(settings.topic_prefix).reviews
    try:
        partitions = len(end_offsets(settings, topic))
    except BrokerUnavailable:  # the workers wait for it, and log it
        return ""
    if enrich <= partitions:
        return ""
    return (
        f"{topic} has {partitions} partition(s) for {enrich} processes of enrich: {enrich - partitions} will only "
        "stand by, and take over when another dies."
    )


@app.command()
def api(
    redis: Redis = None,
    host: Annotated[str | None, typer.Option(help="Address of look-ups; default: loopback.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of look-ups.")] = None,
    page_port: PagePort = None,
    topic_prefix: TopicPrefix = None,
    quiet: Annotated[bool, typer.Option(help="Don't print the addresses.")] = False,
) -> None:
    """Serve look-ups, and on another port the page, alerts, metrics and /docs, from Redis alone.

    Only look-ups are public. STREAM_APP_API_INTERNAL_HOST sets where the other port listens. With
    STREAM_APP_API_EXPLAIN=true the other port also explains reviews (POST /v1/explain), and the classifiers are loaded.
    """
    from stream_app import telemetry
    from stream_app.api.server import serve
    from stream_app.commands.look_around import look_around
    from stream_app.exit_now import exit_now

    settings = settings_from(
        redis=redis, api_host=host, api_port=port, api_internal_port=page_port, topic_prefix=topic_prefix
    )
    telemetry.configure(settings.log_level, settings.log_json)
    say = (lambda _: None) if quiet else partial(print, flush=True)
    serve(
        settings,
        say=say,
        explainer=_explainer(settings) if settings.api_explain else None,
        look_around=partial(look_around, settings) if settings.api_operations else None,
    )
    exit_now(0)  # guarantee: api-does-not-wait-for-a-look


def _explainer(settings: Settings) -> Explainer:
    """All its classifiers are loaded now: what is wrong is reported at the start. Raises ConfigurationError."""
    from stream_app.models.loading import new_explainer

    explainer = new_explainer(settings, threads=settings.threads or 1)  # look-ups need the other cores
    explainer.load()
    return explainer
