"""Warns of STREAM_APP_ variables that are no settings: a mistyped name would be ignored in silence."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from dotenv import dotenv_values

from stream_app.settings import Settings, variable_of

WARNED = "_STREAM_APP_VARIABLES_WERE_CHECKED"
"""Set in the environment of the processes that a command starts: the command itself has warned already."""

_PREFIX = "STREAM_APP_"
_NO_SETTINGS = frozenset({"STREAM_APP_CACHE", "STREAM_APP_TEST_REDIS_SERVER"})  # read where they are used


def warn_of_unknown_variables() -> None:
    """A line to stderr for each, with the nearest name; once per process, and not in those that a command started."""
    if WARNED not in os.environ:
        _warn(tuple(unknown_variables(os.environ, ".env")))


def unknown_variables(environment: Iterable[str], env_file: str) -> list[str]:
    """A sentence for each variable with our prefix that is no setting: of the environment, then of ``env_file``.

    Upper and lower case are equal, as they are for settings.
    """
    known = {variable_of(name) for name in Settings.model_fields} | _NO_SETTINGS
    path = Path(env_file)
    places = {
        "the environment": environment,
        f"{env_file} of this folder": dotenv_values(path) if path.is_file() else (),
    }
    return [
        f"{name} (in {place}) is no setting and is ignored{_nearest(name.upper(), known)}."
        for place, names in places.items()
        for name in sorted(names)
        if name.upper().startswith(_PREFIX) and name.upper() not in known
    ]


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else "; `stream-app settings` lists all"


@lru_cache(maxsize=8)
def _warn(sentences: tuple[str, ...]) -> None:
    for sentence in sentences:
        print(f"stream-app: {sentence.replace('?.', '?')}", file=sys.stderr)
