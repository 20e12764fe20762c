"""The command line; imports only the command that runs."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

# command -> (the module in stream_app.commands that has it, one line for --help)
_COMMANDS = {
    "demo": ("demo", "Try it: Kafka, Valkey, all roles, the page and a sample stream, on this machine alone."),
    "services": ("services", "The embedded Kafka and Valkey alone: start, stop, status."),
    "worker": ("workers", "Run one role: enrich, summarize, describe or notify."),
    "up": ("workers", "Run every role and the API on this machine, one process each."),
    "api": ("workers", "Run the look-up API and the page."),
    "topics": ("topics", "Create or list the topics."),
    "publish": ("publish", "Publish reviews from a JSONL or CSV file."),
    "tail": ("tail", "Follow enriched reviews, alerts or the dead letter."),
    "product": ("product", "Show one product's summary."),
    "train": ("models", "Train the sentiment or the summary model."),
    "evaluate": ("models", "Score the sentiment or the summary model on labelled data."),
    "check": ("check", "Can everything be reached, do the models load, and what to do if not."),
    "settings": ("check", "List every setting with its value and meaning; secrets are masked."),
}


class _LazyGroup(TyperGroup):
    """Knows the commands' names; imports a command's module when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, name: str) -> Any:
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"stream_app.commands.{_COMMANDS[name][0]}")
        group = typer.main.get_command(module.app)
        if isinstance(group, TyperGroup) and name in group.commands:
            return group.commands[name]
        return group

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


app = typer.Typer(cls=_LazyGroup, no_args_is_help=True, add_completion=False)


@app.callback()
def root() -> None:
    """Reads product reviews from Kafka, says how their writers feel (BERT) and what they say (T5), publishes
    them enriched, and keeps a rolling summary per product in Redis.

    Start with `stream-app demo`. Settings come from flags, STREAM_APP_… variables and .env; see `stream-app settings`.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run one command. What a person can mend is one message without a traceback: exit code 2 for something to change,
    1 for a server that is away (starting again may help).
    """
    from stream_app.ports import ConfigurationError, Unavailable

    try:
        return app(arguments)
    except (ConfigurationError, Unavailable) as error:
        print(f"stream-app: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)


if __name__ == "__main__":
    main()
