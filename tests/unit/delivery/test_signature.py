"""Signatures of Standard Webhooks: the value that its reference implementations test, and rotation."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from stream_app.delivery.signature import signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
BODY = b'{"test": 2432232314}'


def test_signature_is_that_of_the_specification() -> None:
    assert signed_headers([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_999, BODY) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_receivers_with_the_old_and_with_the_new_secret_accept_a_message() -> None:
    headers = signed_headers([SECRET, OTHER], "msg_1", time.time_ns() // 1_000_000, "“ä”".encode())

    for secret in (SECRET, OTHER):
        Webhook(secret).verify("“ä”".encode(), headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER[:-4] + "AAAA").verify("“ä”".encode(), headers, json_parse=False)


def test_message_without_a_secret_has_an_id_and_no_signature() -> None:
    assert signed_headers([], "msg_1", 1_000, BODY) == {"webhook-id": "msg_1", "webhook-timestamp": "1"}
