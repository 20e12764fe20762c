"""Posts messages to a server, with limits on everything that it may answer."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from email.utils import parsedate_to_datetime
from importlib.metadata import version

import aiohttp

from stream_app.delivery.addresses import any_socket, public_socket
from stream_app.delivery.bodies import body_of
from stream_app.delivery.lookup import Lookup
from stream_app.delivery.outcome import Outcome, of_connection
from stream_app.delivery.receivers import HttpReceiver, Notification
from stream_app.delivery.signature import signed_headers

_TIMEOUT = aiohttp.ClientTimeout(total=10.0, connect=5.0, sock_connect=5.0, sock_read=10.0)
_MAX_ANSWER_BYTES = 64 * 1024  # read so that the connection can be used again
_ANSWER_SECONDS = 1.0
_GONE = 410
_OF_MESSAGE = (400, 413, 422)


class HttpSender:
    """Of one receiver. Redirects are not followed; cookies and proxies of the environment are not used."""

    def __init__(self, receiver: HttpReceiver) -> None:
        """On the event loop. Raises OSError where the file of its certificate authority cannot be read."""
        self._receiver = receiver
        self._lookup = Lookup()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=ssl.create_default_context(cafile=receiver.ca_file),
                resolver=self._lookup,
                socket_factory=any_socket if receiver.allow_private else public_socket,
            ),
            timeout=_TIMEOUT,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"User-Agent": f"stream-app/{version('stream-app')}", "Content-Type": "application/json"},
        )

    async def send(self, notification: Notification, now_ms: int) -> Outcome:
        """Post once; takes at most 10 seconds."""
        body = body_of(self._receiver, notification)
        headers = signed_headers(self._receiver.secrets, notification.message_id, now_ms, body)
        try:
            async with self._session.post(
                self._receiver.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                await _read_to_end(response)
                return _outcome(response, now_ms)
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError) as error:  # of the last: a name of no host
            return of_connection(error)

    async def close(self) -> None:
        await self._session.close()
        await self._lookup.close()


async def _read_to_end(response: aiohttp.ClientResponse) -> None:
    """Read the answer's body, up to a limit of bytes and time; close the connection where it has more. It is not kept:
    the status says everything.
    """
    read = 0
    with suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            while read < _MAX_ANSWER_BYTES and (chunk := await response.content.readany()):
                read += len(chunk)
    if not response.content.at_eof():
        response.close()


def _outcome(response: aiohttp.ClientResponse, now_ms: int) -> Outcome:
    status = response.status
    if 200 <= status < 300:
        return Outcome()
    if 300 <= status < 400:
        return Outcome(f"HTTP {status}: redirects are not followed, name the last address")
    return Outcome(
        f"HTTP {status}",
        gone=status == _GONE,
        of_message=status in _OF_MESSAGE,
        retry_after_ms=retry_after_ms(response.headers.get("Retry-After", ""), now_ms),
    )


def retry_after_ms(given: str, now_ms: int) -> int | None:
    """The value of ``Retry-After``, seconds or a date, in ms from now; None where it is neither."""
    given = given.strip()
    if given.isascii() and given.isdigit():
        return int(given[:9]) * 1000
    try:
        return max(0, int(parsedate_to_datetime(given).timestamp() * 1000) - now_ms)
    except (ValueError, OverflowError, OSError):
        return None
