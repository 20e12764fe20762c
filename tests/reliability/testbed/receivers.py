"""Two real HTTP receivers of alerts, one of them as faults want it, and a third server that nothing may reach."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple

from tests.reliability.testbed.proxy import Proxy

STEADY, SHAKY = "steady", "shaky"
"""The names of the receivers. STEADY always takes what it gets; SHAKY stands behind a proxy, and does as it is told."""

Mood = Literal["takes", "fails", "hangs", "redirects"]

_LONGEST_HANG_SECONDS = 60.0


class Delivery(NamedTuple):
    """A request that a receiver got. ``alerts``: (alert_id, severity) of each; ``taken``: was it answered with 2xx?"""

    receiver: str
    at: float
    message_id: str
    alerts: tuple[tuple[str, str], ...]
    taken: bool


@dataclass(frozen=True, slots=True)
class _Address:
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


class Receivers:
    """Use as a context manager. ``file``: the file of receivers that names them."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "receivers.toml"
        self._exit = ExitStack()
        self._lock = threading.Lock()
        self._deliveries: list[Delivery] = []
        self._strayed: list[str] = []
        self._mood: Mood = "takes"
        self._changed = threading.Event()  # the mood, since a request began to hang
        self._hanging = 0

    def __enter__(self) -> Receivers:
        steady = self._served("127.0.0.1", lambda request: self._take(STEADY, request, "takes"))
        shaky = self._served("127.0.0.1", lambda request: self._take(SHAKY, request, self._mood))
        self._elsewhere = self._served("127.0.0.2", self._stray)
        self.proxy = self._exit.enter_context(Proxy(shaky.host, shaky.port))
        self._exit.callback(self.become, "takes")  # first: a request that hangs would hold the servers
        urls = {STEADY: steady.url, SHAKY: f"http://{self.proxy.address}"}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text("\n".join(_described(name, url) for name, url in urls.items()))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._exit.close()

    def become(self, mood: Mood) -> None:
        """What SHAKY does from now on. What hangs is then cut off without an answer."""
        with self._lock:
            self._mood = mood
            self._changed.set()
            self._changed = threading.Event()

    @property
    def hanging(self) -> int:
        """Requests that SHAKY does not answer at the moment."""
        with self._lock:
            return self._hanging

    @property
    def deliveries(self) -> list[Delivery]:
        """Everything that came since the beginning."""
        with self._lock:
            return list(self._deliveries)

    @property
    def strayed(self) -> list[str]:
        """Paths of the requests that came to another host than the file names."""
        with self._lock:
            return list(self._strayed)

    def _take(self, receiver: str, request: _Request, mood: Mood) -> int | None:
        """Return the status to answer with; None: none."""
        body = json.loads(request.body)
        alerts = tuple((one["alert_id"], one["severity"]) for one in body["alerts"])
        with self._lock:
            delivery = Delivery(receiver, time.time(), request.headers["webhook-id"], alerts, mood == "takes")
            self._deliveries.append(delivery)
            changed = self._changed
            self._hanging += mood == "hangs"
        if mood == "hangs":
            changed.wait(_LONGEST_HANG_SECONDS)
            with self._lock:
                self._hanging -= 1
            return None
        if mood == "redirects":
            request.location = f"{self._elsewhere.url}/elsewhere"
        return {"takes": 204, "fails": 500, "redirects": 307}[mood]

    def _stray(self, request: _Request) -> int:
        with self._lock:
            self._strayed.append(request.path)
        return 204

    def _served(self, host: str, answer: Any) -> _Address:
        server = _Server((host, 0), _handler(answer))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="receiver", daemon=True).start()
        self._exit.callback(server.server_close)
        self._exit.callback(server.shutdown)
        return _Address(host, server.server_address[1])


@dataclass(slots=True)
class _Request:
    """``location``: where the answer shall lead."""

    path: str
    headers: Message
    body: bytes
    location: str = ""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a process that is killed resets its connections."""


def _handler(answer: Any) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = _Request(self.path, self.headers, body)
            status = answer(request)
            if status is None:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if request.location:
                self.send_header("Location", request.location)
            self.end_headers()

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler


def _described(name: str, url: str) -> str:
    return (
        f'[receivers.{name}]\nkind = "webhook"\nurl = "{url}/{name}"\nallow_private = true\n'
        f'[[rules]]\nreceiver = "{name}"\n'
    )
