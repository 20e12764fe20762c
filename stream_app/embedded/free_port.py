"""Free ports on loopback."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Container

# Below the range from which Linux and macOS take the ports of outgoing connections: one of those cannot
# take our port while a server is restarted.
_CANDIDATES = range(20_000, 32_000)
_PAUSE_SECONDS = 0.05

WAIT_FOR_OWN_PORT_SECONDS = 3.0
"""How long a server that starts again waits for the port that it had."""


def free_port(
    preferred: int,
    what: str,
    say: Callable[[str], None],
    taken: Container[int] = (),
    candidates: range = _CANDIDATES,
    wait_seconds: float = 0.0,
) -> int:
    """The preferred port when it is free on 127.0.0.1, else another one, which `say` gets a line about.

    `preferred` 0 means that any will do. Ports in `taken` are taken already. Nothing is reserved:
    another process may take the port before the server binds it. Raises OSError when no candidate is free.
    `wait_seconds`: how long a busy preferred port is waited for; that of a server just killed is free a little later.
    """
    if preferred and preferred not in taken and _becomes_free(preferred, wait_seconds):
        return preferred
    for port in random.sample(candidates, len(candidates)):
        if port not in taken and _is_free(port):
            if preferred:
                say(f"Port {preferred} is busy: {what} listens on {port} instead.")
            return port
    raise OSError(f"no port from {candidates.start} to {candidates.stop - 1} is free for {what}: stop what holds them")


def _becomes_free(port: int, wait_seconds: float) -> bool:
    until = time.monotonic() + wait_seconds
    while not _is_free(port):
        if time.monotonic() >= until:
            return False
        time.sleep(_PAUSE_SECONDS)  # until the system has closed the sockets of a killed process
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # as the servers do: a port that only waits for old connections to expire is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
