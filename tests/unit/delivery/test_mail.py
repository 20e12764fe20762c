"""E-mails: headers that nothing can be smuggled into, and a text for people."""

from __future__ import annotations

from dataclasses import replace

from stream_app.delivery.bodies.mail import mail
from stream_app.delivery.receivers import MailReceiver
from tests.unit.delivery.samples import HOSTILE, NEGATIVE, RAISED_MS, SAFETY, notification

RECEIVER = MailReceiver("mail", "smtp.example.com", "alerts@example.com", ("a@example.com", "b@example.com"))


def test_mail_about_two_alerts() -> None:
    message = mail(
        RECEIVER,
        notification(SAFETY, NEGATIVE, suppressed={"cool_down": 1}, product_url="https://shop.example/{product_id}"),
        RAISED_MS,
    )

    assert dict(message.items()) == {
        "Subject": "CRITICAL: 2 alerts about 2 products",
        "From": "alerts@example.com",
        "To": "a@example.com, b@example.com",
        "Date": "Fri, 01 May 2026 10:00:01 +0000",
        "Message-ID": "<msg_1@example.com>",
        "Auto-Submitted": "auto-generated",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "8bit",
        "MIME-Version": "1.0",
    }
    assert message.get_content() == (
        "CRITICAL: safety (burn) – product p-1\n“I burned <my> hand & arm!”\nreview r-1, 2 stars\n"
        "https://shop.example/p-1\n\n"
        "WARNING: negative review – product p-2\n“It broke.”\n"
        "review r-2, 1 star, negative with probability 0.97\nhttps://shop.example/p-2\n\n"
        "1 alert not delivered by a cool-down since the message before.\n"
    )


def test_mail_about_anything_can_be_written() -> None:
    smuggled = replace(SAFETY, safety_words=("burn\r\nBcc: x@example.com",), sentence="a\r\n.\r\nQUIT\u2028")
    for alert in (HOSTILE, smuggled):
        message = mail(RECEIVER, notification(alert, is_test=True), RAISED_MS)
        raw = bytes(message)
        assert b"\nBcc:" not in raw
        assert max(map(len, raw.split(b"\r\n"))) <= 998
        assert len(message["Subject"]) <= 200
