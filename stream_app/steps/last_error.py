"""The last error of a worker, in words that may be kept: bounded, without secrets and without what a person wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAX_CHARACTERS = 500
_MASK = "********"
_SHORTEST_SECRET = 4  # a shorter one is in many words by chance
_END = "process_ends"
_WHY = ("error", "reason", "why", "problem")
_ELSEWHERE = ("event", "level", "timestamp", "worker", "role", "next_step", "logger", *_WHY)


@dataclass(frozen=True, slots=True)
class LastError:
    """``worker``: the process, such as "enrich-2@host:4711"; ``next_step``: of its log line."""

    role: str
    worker: str
    at_ms: int
    words: str
    next_step: str = ""


def last_error(
    logged: Mapping[str, object], *, role: str, worker: str, at_ms: int, secrets: Iterable[str]
) -> LastError:
    """Of a log line of level error or critical, as telemetry makes it: those hold types, places and names."""
    name = str(logged.get("event", "error")).replace("_", " ")
    why = "; ".join(str(logged[key]) for key in _WHY if logged.get(key))
    facts = ", ".join(f"{key} {_fact(value)}" for key, value in logged.items() if key not in _ELSEWHERE)
    words = name + (f": {why}" if why else "") + (f" ({facts})" if facts else "")
    secrets = sorted((one for one in secrets if len(one) >= _SHORTEST_SECRET), key=len, reverse=True)
    step = "" if logged.get("event") == _END else str(logged.get("next_step", ""))  # there: see the log above
    return LastError(role, worker, at_ms, _kept(words, secrets), _kept(step, secrets))


def _fact(value: object) -> str:
    return str(value[-1]) if isinstance(value, list) and value else str(value)  # of a traceback: where it was raised


def _kept(words: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        words = words.replace(secret, _MASK)
    words = " ".join(words.split())
    return words if len(words) <= MAX_CHARACTERS else words[: MAX_CHARACTERS - 1] + "…"
