"""Records a worker's last error where it survives the process, without ever holding the worker up."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from stream_app.ports import ConfigurationError
from stream_app.settings import ProcessSettings, RedisSettings
from stream_app.steps.last_error import LastError, last_error
from stream_app.store.keys import Namespace
from stream_app.store.workers import WorkerNotes, packed, unpacked

_AGAIN_SECONDS = 5.0
_AT_THE_END_SECONDS = 0.25  # Redis answers in a millisecond, or the next process brings it there


class LastErrors:
    """Records what is logged as an error: the newest one, in a thread of its own. Steps:

    1. written to a file in ``state_folder``, which needs no server: the error may be that Redis is away
    2. noted in Redis, where `stream-app status` finds it from any machine; tried again every 5 s while Redis is away

    A new process first brings there what the one before left in the file. What cannot be written is given up.
    """

    def __init__(self, settings: RedisSettings, role: str, worker: str) -> None:
        """``worker``: names this process."""
        self._settings = settings
        self._role, self._worker = role, worker
        self._file = file_of(settings, role)
        self._secrets = secrets_of(settings)
        self._newest: LastError | None = None
        self._noted = threading.Event()
        self._done = threading.Event()
        self._done.set()

    def start(self) -> None:
        """Bring what an earlier process left, then wait for errors."""
        threading.Thread(target=self._work, name="last-error", daemon=True).start()

    def take(self, logged: Mapping[str, object]) -> None:
        """A log line of level error or critical. Returns at once."""
        self._done.clear()
        self._newest = last_error(
            logged, role=self._role, worker=self._worker, at_ms=time.time_ns() // 1_000_000, secrets=self._secrets
        )
        self._noted.set()

    def flush(self) -> None:
        """The process ends now: wait until the error is recorded, for a quarter of a second at most."""
        self._done.wait(_AT_THE_END_SECONDS)

    def _work(self) -> None:
        with asyncio.Runner() as runner:
            try:
                notes = WorkerNotes.from_settings(self._settings)
            except ConfigurationError:  # the role reports it itself
                return
            kept: LastError | None = None
            delivered = True
            if (left := error_left(self._settings, self._role)) is not None:
                kept, delivered = left, _delivered(runner, notes, left)
            while True:
                self._noted.wait(None if delivered else _AGAIN_SECONDS)
                self._noted.clear()
                error = self._newest or kept
                if error is None:
                    continue
                if error is not kept:
                    kept = error
                    _write(self._file, error)
                delivered = _delivered(runner, notes, error)
                if error is self._newest:
                    self._done.set()


def error_left(settings: ProcessSettings, role: str) -> LastError | None:
    """The last error of the role's workers on this machine."""
    try:
        return unpacked(file_of(settings, role).read_bytes())
    except OSError:
        return None


def file_of(settings: ProcessSettings, role: str) -> Path:
    """Installations that share a folder have files of their own."""
    return Path(settings.state_folder) / "last-errors" / f"{quote(Namespace.of(settings).start, safe='')}.{role}.json"


def secrets_of(settings: RedisSettings) -> set[str]:
    """Return every secret in the settings, as written and decoded."""
    url = settings.redis.get_secret_value()
    secrets = {value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)} - {url}
    if "@" in url:  # without a password it is an address, which is useful
        secrets.add(url)
        with suppress(ValueError):
            if password := urlsplit(url).password:
                secrets |= {password, unquote(password)}
    return secrets


def _delivered(runner: asyncio.Runner, notes: WorkerNotes, error: LastError) -> bool:
    try:
        runner.run(notes.failed(error))
    except Exception:  # noqa: BLE001 - whatever is wrong with the record of an error, it must not end the process
        return False
    return True


def _write(file: Path, error: LastError) -> None:
    temporary = file.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # a full disk, or one that may not be written
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(packed(error))
        temporary.replace(file)
