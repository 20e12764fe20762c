"""Hands e-mails to an SMTP server, over a connection of its own each."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

import aiosmtplib

from stream_app.delivery.addresses import AddressRefused, any_socket, public_socket
from stream_app.delivery.bodies.mail import mail
from stream_app.delivery.lookup import Lookup
from stream_app.delivery.outcome import Outcome, of_connection
from stream_app.delivery.receivers import MailReceiver, Notification

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 10.0
_WHOLE_SECONDS = 20.0
_FOR_GOOD = 500


class SmtpSender:
    """Of one receiver."""

    def __init__(self, receiver: MailReceiver) -> None:
        """Raises OSError where the file of its certificate authority cannot be read."""
        self._receiver = receiver
        self._lookup = Lookup()
        self._tls = ssl.create_default_context(cafile=receiver.ca_file)

    async def send(self, notification: Notification, now_ms: int) -> Outcome:
        """Send once; takes at most 20 seconds. Delivered if the server took it for one address at least."""
        receiver = self._receiver
        message = mail(receiver, notification, now_ms)
        outcome = None
        try:
            async with asyncio.timeout(_WHOLE_SECONDS):
                client = aiosmtplib.SMTP(
                    hostname=receiver.host,
                    sock=await self._connected(),
                    use_tls=receiver.encryption == "tls",
                    start_tls=receiver.encryption == "starttls",
                    tls_context=None if receiver.encryption == "none" else self._tls,
                    username=receiver.username or None,
                    password=receiver.password or None,
                    timeout=_ANSWER_SECONDS,
                    local_hostname="stream-app.invalid",  # the name of this machine is nobody's business
                )
                async with client:
                    refused, _ = await client.send_message(message)
                    few = f"{len(refused)} of {len(receiver.recipients)} addresses refused" if refused else ""
                    outcome = Outcome(remark=few)
        except (aiosmtplib.SMTPException, TimeoutError, OSError) as error:
            outcome = outcome or _failure(error)  # the server has it, however the connection ends
        assert outcome is not None
        return outcome

    async def close(self) -> None:
        """No connection is kept open."""
        await self._lookup.close()

    async def _connected(self) -> socket.socket:
        """A socket to the first address that answers. Raises OSError."""
        loop = asyncio.get_running_loop()
        factory = any_socket if self._receiver.allow_private else public_socket
        try:
            infos = await self._lookup.addresses(self._receiver.host, self._receiver.port)
        except UnicodeError:
            raise OSError(errno.EINVAL, "its name is none of a host") from None
        failed = OSError(errno.EHOSTUNREACH, "its name has no address")
        for info in infos:
            try:
                made = factory(info)
            except AddressRefused as error:
                failed = error
                continue
            made.setblocking(False)
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    await loop.sock_connect(made, info[4])
            except OSError as error:  # TimeoutError is one
                made.close()
                failed = error
            except asyncio.CancelledError:
                made.close()
                raise
            else:
                return made
        raise failed


def _failure(error: Exception) -> Outcome:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        codes = sorted({one.code for one in error.recipients})
        return Outcome(f"every address was refused: SMTP {', '.join(map(str, codes))}")
    if isinstance(error, aiosmtplib.SMTPDataError) and error.code >= _FOR_GOOD:
        # guarantee: refused-mail-slows-no-receiver
        return Outcome(f"the server refused the message: SMTP {error.code}", of_message=True)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return Outcome(f"{type(error).__name__}: SMTP {error.code}")
    if type(error) in (aiosmtplib.SMTPException, aiosmtplib.SMTPNotSupported):
        return Outcome(str(error))  # words of the library: what the server does not offer
    return of_connection(error)
