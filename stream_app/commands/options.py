"""Options that several commands share, and how they become one Settings."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from stream_app.ports import ConfigurationError
from stream_app.settings import Settings

Brokers = Annotated[
    str | None,
    typer.Option(
        help="Kafka bootstrap servers. Default: STREAM_APP_BROKERS, else running `services`, else 127.0.0.1:9092."
    ),
]
Redis = Annotated[
    str | None,
    typer.Option(help="Redis or Valkey URL. Default: STREAM_APP_REDIS, else running `services`, else 127.0.0.1:6379."),
]
TopicPrefix = Annotated[str | None, typer.Option(help="Put before every topic, consumer group and Redis key.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]


def settings_from(**flags: Any) -> Settings:
    """Flags win over environment and .env; where neither names servers, running `services` are used.

    Raises ConfigurationError naming each wrong setting.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"These settings are wrong: {wrong}. `stream-app settings` lists all.") from None
    unnamed = {"brokers", "redis"} - settings.model_fields_set
    if unnamed:
        settings = settings.model_copy(update=_of_running_services(unnamed))
    return settings


def _of_running_services(unnamed: set[str]) -> dict[str, Any]:
    from pydantic import SecretStr

    from stream_app.embedded.services import services_status

    running = services_status()
    addresses: dict[str, Any] = {}
    if running.kafka.address is not None:
        addresses["brokers"] = running.kafka.address
    if running.valkey.address is not None:
        addresses["redis"] = SecretStr(running.valkey.address)
    return {name: address for name, address in addresses.items() if name in unnamed}


def environment_of(settings: Settings) -> dict[str, str]:
    """This process's environment with ``settings`` in it, for the processes that it starts."""
    named: dict[str, str] = {}
    for name in settings.model_fields_set | {"brokers", "redis"}:
        value = getattr(settings, name)
        plain = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        if plain is not None:
            named[f"STREAM_APP_{name.upper()}"] = str(plain)
    return {**os.environ, **named}
