"""Answers only requests for names that are known, against DNS rebinding.

A stranger's page whose name comes to resolve to this machine has our origin to the browser: it reads answers and sends
what it likes. But the browser sends that name as Host. Starlette's TrustedHostMiddleware knows no IP addresses, and
does not say what to do.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from stream_app.api import problems

_ANY = "*"
_HOST = re.compile(r"(?P<name>[^\[\]:]+|\[[^\[\]]+\])(:[0-9]*)?")


def known_names(listens_on: str, setting: Collection[str]) -> frozenset[str] | None:
    """The names, beside IP addresses, by which a listener on this address is known; None: any.

    Without a setting: on loopback localhost alone; elsewhere any, since load balancers and Kubernetes use names.
    """
    if _ANY in setting or (not setting and not ip_address(listens_on).is_loopback):
        return None
    return frozenset(setting) | {"localhost"}


class KnownHosts:
    """Refuses requests whose Host is neither an IP address nor one of ``names``, which are in lower case."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # none in requests of HTTP/1.0 and some health checks; browsers always send it
        hosts = Headers(scope=scope).getlist("host") if scope["type"] == "http" else []
        if all(map(self._is_known, hosts)):  # guarantee: unknown-names-are-refused
            await self._app(scope, receive, send)
        else:
            await problems.unknown_host(", ".join(hosts)).response()(scope, receive, send)

    def _is_known(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        name = match["name"].lower() if match else ""
        return name in self._names or _is_address(name)


def _is_address(name: str) -> bool:
    """Of IPv6 in brackets. No name server has a say in where it leads."""
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
