"""The command line; imports only the command that runs."""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

# command -> the module in stream_app.commands that has it
_COMMANDS = {
    "demo": "demo",
    "services": "services",
    "worker": "workers",
    "up": "workers",
    "api": "workers",
    "topics": "topics",
    "publish": "publish",
    "tail": "tail",
    "alerts": "alerts",
    "dead-letter": "dead_letter",
    "product": "product",
    "explain": "explain",
    "rebuild": "rebuild",
    "erase": "erase",
    "train": "train",
    "evaluate": "evaluate",
    "models": "model_store",
    "status": "status",
    "check": "check",
    "settings": "settings",
}


class _LazyGroup(TyperGroup):
    """Knows the commands' names; imports a command's module when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, name: str) -> Any:
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"stream_app.commands.{_COMMANDS[name]}")
        found = typer.main.get_command(module.app)
        if isinstance(found, TyperGroup) and name in found.commands:
            return found.commands[name]
        found.name = name
        return found


app = typer.Typer(cls=_LazyGroup, no_args_is_help=True, add_completion=False)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"stream-app {version('stream-app')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Reads product reviews from Kafka, says how their writers feel (BERT) and what they say (T5), publishes
    them enriched, and keeps a rolling summary per product in Redis.

    Start with `stream-app demo`. Settings come from flags, STREAM_APP_… variables and .env; see `stream-app settings`.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run one command. An error that a person can fix is one message without a traceback: exit code 2 for something
    to change, 1 for a server that is away or a view that is lost (starting again helps once it is back, or made again).
    """
    from stream_app.ports import ConfigurationError, Unavailable, ViewLost

    try:
        return app(arguments)
    except (ConfigurationError, Unavailable) as error:
        print(f"stream-app: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigurationError) and not isinstance(error, ViewLost) else 1)


if __name__ == "__main__":
    main()
