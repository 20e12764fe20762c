"""The receivers of alerts, and what one message to them holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from stream_app.records import Alert
from stream_app.steps.deliveries import DeliveryRule
from stream_app.steps.delivery_queue import Suppression

HttpKind = Literal["webhook", "alertmanager", "pagerduty", "slack"]
Encryption = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, slots=True)
class HttpReceiver:
    """A server that gets POST requests. ``allow_private``: its address need not be a public one.

    Secret: the URL, which Slack and others make the only key, what signs, and PagerDuty's key.
    """

    name: str
    kind: HttpKind
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    routing_key: str = field(default="", repr=False)
    allow_private: bool = False
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class MailReceiver:
    """Addresses that get e-mail through an SMTP server."""

    name: str
    host: str
    sender: str
    recipients: tuple[str, ...]
    port: int = 587
    encryption: Encryption = "starttls"
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    allow_private: bool = False
    ca_file: str | None = None

    @property
    def kind(self) -> Literal["email"]:
        return "email"


Receiver = HttpReceiver | MailReceiver


@dataclass(frozen=True, slots=True)
class Receivers:
    """What the file of receivers says."""

    by_name: dict[str, Receiver] = field(default_factory=dict)
    rules: tuple[DeliveryRule, ...] = ()
    product_url: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one receiver: an alert, or those of a digest, oldest first, with the words of their reviews.

    ``suppressed``: alerts counted since the message before, by reason. ``product_url``: see the file of receivers.
    ``acknowledges``: it says that somebody takes care of the alert; only PagerDuty has a word for that.
    """

    message_id: str
    alerts: tuple[Alert, ...]
    suppressed: dict[Suppression, int] = field(default_factory=dict)
    product_url: str = ""
    is_test: bool = False
    acknowledges: bool = False
