"""Makes the sender of a receiver."""

from __future__ import annotations

from typing import Protocol

from stream_app.delivery.http_sender import HttpSender
from stream_app.delivery.outcome import Outcome
from stream_app.delivery.receivers import MailReceiver, Notification, Receiver
from stream_app.delivery.smtp_sender import SmtpSender


class Sender(Protocol):
    """Delivers messages to one receiver."""

    async def send(self, notification: Notification, now_ms: int) -> Outcome:
        """Try once, within a bounded time. What goes wrong outside is an Outcome; an exception is a bug."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def sender_of(receiver: Receiver) -> Sender:
    """On the event loop."""
    return SmtpSender(receiver) if isinstance(receiver, MailReceiver) else HttpSender(receiver)
