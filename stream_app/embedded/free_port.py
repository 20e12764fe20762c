"""Free ports on loopback."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Container

# Below the range from which Linux and macOS take the ports of outgoing connections: one of those cannot
# take our port while a server is restarted.
_CANDIDATES = range(20_000, 32_000)


def free_port(
    preferred: int, what: str, say: Callable[[str], None], taken: Container[int] = (), candidates: range = _CANDIDATES
) -> int:
    """The preferred port when it is free on 127.0.0.1, else another one, which `say` is told about.

    `preferred` 0 means that any will do. Ports in `taken` are given to someone else already. Nothing is reserved:
    another process may take the port before the server binds it. Raises OSError when no candidate is free.
    """
    if preferred and preferred not in taken and _is_free(preferred):
        return preferred
    for port in random.sample(candidates, len(candidates)):
        if port not in taken and _is_free(port):
            if preferred:
                say(f"Port {preferred} is busy: {what} listens on {port} instead.")
            return port
    raise OSError(f"no port from {candidates.start} to {candidates.stop - 1} is free for {what}: stop what holds them")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # as the servers do: a port that only waits for old connections to expire is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
