"""Translates redis-py's errors: away for now, refused, or a bug."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions

from stream_app.ports import ConfigurationError, StoreUnavailable

_AWAY = (
    exceptions.ConnectionError,  # BusyLoadingError and MaxConnectionsError too
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,  # guarantee: a-full-server-is-unavailable
    exceptions.NoScriptError,  # again, just after we loaded it: another server took over
    exceptions.ClusterError,  # ClusterDownError and MasterDownError too
    exceptions.AskError,  # MovedError too: slots on the move
    exceptions.TryAgainError,
)
_AWAY_PREFIXES = ("MISCONF", "NOREPLICAS", "BUSY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "OOM", "READONLY")
# before 7.0, around what refused a command of a script: "Error running script (…): @user_script: 101: -OOM command …"
_AROUND_A_SCRIPTS_ERROR = re.compile(r"Error running script .*: -(?=[A-Z]+ )")
_REFUSED = (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError)
# of a command within a script, where the caller may run scripts: Redis 7 and Valkey, Redis 6.2
_REFUSED_IN_A_SCRIPT = ("ACL failure in script", "The user executing the script can't")
_CLOSED = re.compile(r"the handler is closed|TCPTransport closed=True")  # uvloop, where asyncio has a ConnectionError
_NO_PRIMARY = re.compile(r"No master found for (?P<name>'.*?')(?: : (?P<silent>.*))?$", re.DOTALL)
_ASKED = re.compile(r"\bhost=([^,]+),port=(\d+)")
_CONNECTING = re.compile(r"Error (?P<number>-?\d+) connecting to (?P<where>\S+?)\. (?P<why>.*)", re.DOTALL)


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except _REFUSED as error:
        raise _refusal(error) from error
    except _AWAY as error:  # guarantee: a-stopped-server-is-unavailable
        raise StoreUnavailable(f"Redis cannot be used now: {in_words(error)}") from error
    except exceptions.ResponseError as error:
        if any(words in str(error) for words in _REFUSED_IN_A_SCRIPT):  # guarantee: refusal-in-a-script-rejects-nothing
            raise _refusal(error) from error
        if code_and_text(error).startswith(_AWAY_PREFIXES):
            raise StoreUnavailable(f"Redis cannot be used now: {error}") from error
        raise
    except exceptions.RedisClusterException as error:
        raise StoreUnavailable(f"Redis Cluster cannot be used now: {error}") from error
    except RuntimeError as error:
        if not _CLOSED.search(str(error)):  # guarantee: a-closed-transport-is-unavailable
            raise
        raise StoreUnavailable("Redis cannot be used now: its connection was closed.") from error


def _refusal(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"Redis refused: {error}. Check user and password in the URL; the user needs the commands "
        "+@hash +@sortedset +@set +@scripting +@connection +info +exists +get +set +del, "
        "`rebuild` also +scan +unlink +pttl."
    )


def code_and_text(error: Exception) -> str:
    """The server's own code and text, of an error that redis-py has no class for."""
    return _AROUND_A_SCRIPTS_ERROR.sub("", str(error))


def in_words(error: Exception) -> str:
    """redis-py's "Error 111 connecting to cache:6379. Connect call failed …", for people."""
    if unknown := _NO_PRIMARY.match(str(error)):
        return _no_primary(unknown["name"], unknown["silent"] or "")
    found = _CONNECTING.match(str(error))
    if found is None:
        return str(error)
    try:
        why = os.strerror(int(found["number"])).lower()
    except (ValueError, OverflowError):
        why = found["why"]
    return (
        f"{why} at {found['where']}. Does it run? `stream-app services start` starts one here; "
        "`stream-app check` looks; STREAM_APP_REDIS or --redis names another"
    )


def _no_primary(name: str, silent: str) -> str:
    """``silent``: redis-py's list of the Sentinels that did not answer, with all of their clients' settings."""
    away = ", ".join(f"{host}:{port}" for host, port in _ASKED.findall(silent)) or ("some of them" if silent else "")
    return (
        f"the Sentinels name no primary {name} now"
        + (f" (no answer from {away})" if away else "")
        + ". During a fail-over that passes within seconds. Else: does STREAM_APP_REDIS_SENTINEL_PRIMARY have the name "
        "that they watch, and do they run?"
    )
