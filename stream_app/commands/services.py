"""`stream-app services`: the embedded Kafka and Valkey alone, for people who run the rest by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console

from stream_app.commands.options import services_folder, settings_from

if TYPE_CHECKING:
    from stream_app.embedded.services import ServicesStatus

app = typer.Typer(no_args_is_help=True, help="The embedded Apache Kafka and Valkey on loopback.")
console = Console(stderr=True)


@app.command()
def start() -> None:
    """Start both in the background. Other commands find them by themselves; their data stays in `services` of
    STREAM_APP_STATE_FOLDER until you delete it.
    """
    from stream_app.embedded.services import start_services

    running = start_services(services_folder(settings_from()), say=console.print)
    _print_addresses(running)
    console.print("Next: `stream-app topics create`, then `stream-app up`. Stop with `stream-app services stop`.")


@app.command()
def stop() -> None:
    """Stop both. Data stays."""
    from stream_app.embedded.services import stop_services

    before = stop_services(services_folder(settings_from()), say=console.print)
    if not before.kafka.running and not before.valkey.running:
        console.print("Nothing was running.")


@app.command()
def status() -> None:
    """Say whether they run, and where. Exit code 1 when they do not."""
    from stream_app.embedded.services import services_status

    found = services_status(services_folder(settings_from()))
    for service in (found.kafka, found.valkey):
        state = f"runs as process {service.pid} on {service.address}" if service.running else "does not run"
        console.print(f"{service.name} {state}; log {service.log}", highlight=False)
    if not found.running:
        console.print("`stream-app services start` starts both.")
        raise typer.Exit(1)
    _print_addresses(found)


def _print_addresses(running: ServicesStatus) -> None:
    print(f"STREAM_APP_BROKERS={running.kafka.address}")
    print(f"STREAM_APP_REDIS={running.valkey.address}")


@app.command()
def fetch() -> None:
    """Fetch Apache Kafka's jars into the user's cache, once, and prepare faster starts of it.

    `start` and `demo` fetch the jars when needed.
    """
    from stream_app.embedded.kafka_jars import fetch as fetch_jars
    from stream_app.embedded.kafka_training import train

    folder = fetch_jars(say=console.print)
    train(say=console.print)
    console.print(f"Apache Kafka is in {folder}")
