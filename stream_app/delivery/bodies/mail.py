"""An e-mail about alerts, as plain text."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from stream_app.delivery.bodies import wording
from stream_app.delivery.receivers import MailReceiver, Notification
from stream_app.records import Alert

_MAX_SUBJECT = 200


def mail(receiver: MailReceiver, notification: Notification, now_ms: int) -> EmailMessage:
    """The whole message. ``Message-ID`` is the same at each try."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = wording.cut(wording.heading(notification), _MAX_SUBJECT)
    message["From"] = receiver.sender
    message["To"] = ", ".join(receiver.recipients)
    message["Date"] = format_datetime(datetime.fromtimestamp(now_ms // 1000, UTC))
    message["Message-ID"] = f"<{notification.message_id}@{receiver.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # no answers of the absent
    parts = [*(_paragraph(notification, one) for one in notification.alerts), *wording.remarks(notification)]
    message.set_content("\n\n".join(parts) + "\n")
    return message


def _paragraph(notification: Notification, alert: Alert) -> str:
    lines = [
        f"{alert.severity.upper()}: {wording.what(alert)}",
        f"“{wording.on_one_line(alert.sentence)}”" if alert.sentence else "",
        ", ".join(wording.facts(alert)),
        wording.product_link(notification, alert),
    ]
    return "\n".join(filter(None, lines))
