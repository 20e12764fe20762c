"""Options that several commands share, and how they become one Settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from stream_app.commands.unknown_variables import WARNED, warn_of_unknown_variables
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings, variable_of
from stream_app.steps.aspects import BadAspectsError, own_aspects, use_aspects

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
Column = Annotated[
    list[str] | None,
    typer.Option(help="FIELD=NAME: the column NAME of the data files holds this field. Once for each field."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]


def settings_from(**flags: Any) -> Settings:
    """Flags win over environment and .env; where neither names servers, running `services` are used.

    The aspects that they name are used from now on. Raises ConfigurationError naming each wrong setting.
    """
    warn_of_unknown_variables()
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise ConfigurationError(
            f"{_wrong(error)}. `stream-app settings --help` says where settings come from."
        ) from None
    _use_aspects(settings.aspects_file)
    unnamed = {"brokers", "redis"} - settings.model_fields_set
    if unnamed:
        settings = settings.model_copy(update=_of_running_services(unnamed, services_folder(settings)))
    return settings


def _wrong(error: ValidationError) -> str:
    """What is wrong with each setting, by its variable. Never the value: it may be a secret."""
    return "; ".join(
        f"{variable_of(str(one['loc'][0]))}: {one['msg']}" if one["loc"] else one["msg"].removeprefix("Value error, ")
        for one in error.errors()
    )


def _use_aspects(file: str) -> None:
    try:
        use_aspects(own_aspects(Path(file)) if file else ())
    except BadAspectsError as error:
        raise ConfigurationError(
            f"{variable_of('aspects_file')}: {error}. docs/models.md (Aspects of your own) shows a file."
        ) from None


def services_folder(settings: Settings) -> Path:
    """Where the servers of `stream-app services` have their data."""
    return Path(settings.state_folder) / "services"


def _of_running_services(unnamed: set[str], folder: Path) -> dict[str, Any]:
    from pydantic import SecretStr

    from stream_app.embedded.services import addresses_of, services_status

    brokers, redis = addresses_of(services_status(folder))
    addresses: dict[str, Any] = {}
    if brokers is not None:
        addresses["brokers"] = brokers
    if redis is not None:
        addresses["redis"] = SecretStr(redis)
    return {name: address for name, address in addresses.items() if name in unnamed}


def environment_of(settings: Settings) -> dict[str, str]:
    """This process's environment with ``settings`` in it, for the processes that it starts."""
    named: dict[str, str] = {}
    for name in settings.model_fields_set | {"brokers", "redis"}:
        value = getattr(settings, name)
        plain = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        if plain is not None:
            named[variable_of(name)] = str(plain)
    return {**os.environ, **named, WARNED: "1"}
