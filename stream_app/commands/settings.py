"""`stream-app settings`: every setting, its value here, and what it means."""

from __future__ import annotations

import textwrap
from typing import Any

import orjson
import typer
from pydantic import SecretStr
from rich.console import Console
from rich.text import Text

from stream_app.commands.options import Json, settings_from
from stream_app.settings import Settings, masked_url, variable_of

app = typer.Typer()

_INDENT = "    "
_WIDTH_OF_A_PIPE = 1_000  # programs want a setting's meaning on one line
_WIDEST = 120


@app.command()
def settings(as_json: Json = False) -> None:
    """Every setting: its variable and value here (* where it is not the default), then what it means.

    Settings come from flags, then STREAM_APP_… variables of the environment, then .env of this folder; where neither
    names servers, running `stream-app services` are used. Secrets are masked.
    """
    console = Console(soft_wrap=True)  # a name that is cut, or broken in two, cannot be copied
    width = min(console.width, _WIDEST) if console.is_terminal else _WIDTH_OF_A_PIPE
    for setting in _described(settings_from()):
        if as_json:
            print(orjson.dumps(setting).decode())
            continue
        changed = " *" if setting["value"] != setting["default"] else ""
        console.print(
            Text(setting["variable"], "bold").append(
                f"={'' if setting['value'] is None else setting['value']}{changed}", "default"
            )
        )
        for line in textwrap.wrap(setting["meaning"], width - len(_INDENT), break_long_words=False):
            console.print(Text(_INDENT + line, "dim"))


def _described(values: Settings) -> list[dict[str, Any]]:
    """variable, value, default and meaning of each, secrets masked."""
    return [
        {
            "variable": variable_of(name),
            "value": _shown(getattr(values, name)),
            "default": None if field.is_required() else _shown(field.get_default(call_default_factory=True)),
            "meaning": field.description or "",
        }
        for name, field in Settings.model_fields.items()
    ]


def _shown(value: object) -> object:
    """As JSON has it; text as it may be shown."""
    if isinstance(value, SecretStr):
        return masked_url(value.get_secret_value())  # guarantee: secrets-are-not-shown
    return value
