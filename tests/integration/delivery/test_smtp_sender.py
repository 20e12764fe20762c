"""E-mails to a real SMTP server on loopback."""

from __future__ import annotations

import asyncio
import ssl
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from stream_app.delivery import smtp_sender
from stream_app.delivery.outcome import Outcome
from stream_app.delivery.receivers import MailReceiver
from stream_app.delivery.smtp_sender import SmtpSender
from tests.unit.delivery.samples import RAISED_MS, SAFETY, notification


class Mailbox:
    """Handler of aiosmtpd. ``refuses``: addresses. ``answer``: to the message."""

    def __init__(self, refuses: tuple[str, ...] = (), answer: str = "250 OK") -> None:
        self.refuses = refuses
        self.answer = answer
        self.got: list[Envelope] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:
        if address in self.refuses:
            return "550 no such person here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        self.got.append(envelope)
        return self.answer


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


def outcomes(
    mailbox: Mailbox, *sent: dict[str, Any], tls: ssl.SSLContext | None = None, **options: Any
) -> list[Outcome]:
    """Of one message each, to a server of this mailbox (``options``: of aiosmtpd's SMTP; ``tls``: from the beginning)
    by receivers with these fields.
    """

    async def run() -> list[Outcome]:
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: SMTP(mailbox, loop=loop, **options), "127.0.0.1", 0, ssl=tls)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            return [await send(port, **fields) for fields in sent]

    return asyncio.run(run())


async def send(port: int, **fields: Any) -> Outcome:
    given = {"encryption": "none", "allow_private": True, "recipients": ("a@example.com", "b@example.com"), **fields}
    receiver = MailReceiver("mail", given.pop("host", "localhost"), "alerts@example.com", port=port, **given)
    sender = SmtpSender(receiver)
    try:
        return await sender.send(notification(SAFETY), RAISED_MS)
    finally:
        await sender.close()


def tls_of(authority: trustme.CA, host: str = "localhost") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    return context


def authenticate(server: SMTP, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
    known = isinstance(given, LoginPassword) and (given.login, given.password) == (b"user", b"s3cret")
    return AuthResult(success=known, handled=False)


def test_mail_arrives_at_every_address() -> None:
    mailbox = Mailbox()

    assert outcomes(mailbox, {}) == [Outcome()]

    [got] = mailbox.got
    assert (got.mail_from, got.rcpt_tos) == ("alerts@example.com", ["a@example.com", "b@example.com"])
    assert isinstance(got.content, bytes)
    message = message_from_bytes(got.content, policy=default)
    assert message["Message-ID"] == "<msg_1@example.com>"
    assert "I burned <my> hand & arm!" in message.get_body().get_content()  # type: ignore[union-attr]


def test_mail_over_starttls_with_a_login(authority: trustme.CA, ca_file: str) -> None:
    mailbox = Mailbox()
    login = {"encryption": "starttls", "ca_file": ca_file, "username": "user"}
    options: dict[str, Any] = {"require_starttls": True, "authenticator": authenticate, "auth_required": True}

    assert outcomes(
        mailbox,
        {**login, "password": "s3cret"},
        {**login, "password": "wrong"},
        tls_context=tls_of(authority),
        **options,
    ) == [Outcome(), Outcome("SMTPAuthenticationError: SMTP 535")]
    assert len(mailbox.got) == 1


def test_certificate_is_verified(authority: trustme.CA, ca_file: str) -> None:
    mailbox = Mailbox()
    [unknown] = outcomes(mailbox, {"encryption": "starttls"}, tls_context=tls_of(authority))
    [of_another] = outcomes(
        mailbox, {"encryption": "starttls", "ca_file": ca_file}, tls_context=tls_of(authority, "other.example")
    )

    assert unknown.error.startswith("its certificate is not trusted: ")
    assert of_another.error.startswith("its certificate is not trusted: ")
    assert mailbox.got == []


def test_mail_over_tls_from_the_beginning(authority: trustme.CA, ca_file: str) -> None:
    mailbox = Mailbox()

    assert outcomes(mailbox, {"encryption": "tls", "ca_file": ca_file}, tls=tls_of(authority)) == [Outcome()]
    assert len(mailbox.got) == 1


def test_server_without_starttls_gets_nothing() -> None:
    """A password and an alert would travel in the clear."""
    mailbox = Mailbox()

    [outcome] = outcomes(mailbox, {"encryption": "starttls"})
    assert "STARTTLS" in outcome.error
    assert mailbox.got == []


def test_addresses_that_are_refused() -> None:
    mailbox = Mailbox(refuses=("b@example.com",))

    assert outcomes(mailbox, {}, {"recipients": ("b@example.com",)}) == [
        Outcome(remark="1 of 2 addresses refused"),
        Outcome("every address was refused: SMTP 550"),
    ]
    assert [one.rcpt_tos for one in mailbox.got] == [["a@example.com"]]


def test_message_that_is_refused_is_a_failure_without_the_words_of_the_server() -> None:
    """They may quote the message."""
    assert outcomes(Mailbox(answer="451 I burned my hand"), {}) == [Outcome("SMTPDataError: SMTP 451")]


def test_message_that_is_refused_for_good_is_no_fault_of_the_server() -> None:
    """Others are delivered meanwhile: a spam filter may never like this one."""
    refused = Outcome("the server refused the message: SMTP 550", of_message=True)
    assert outcomes(Mailbox(answer="550 I burned my hand"), {}) == [refused]


def test_private_address_is_refused() -> None:
    mailbox = Mailbox()

    refused = outcomes(mailbox, *({"host": host, "allow_private": False} for host in ("localhost", "127.0.0.1")))
    assert [one.error for one in refused if "is not a public address" not in one.error] == []
    assert mailbox.got == []


def test_server_that_hangs_is_left_after_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_sender, "_WHOLE_SECONDS", 0.3)

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async def run() -> Outcome:
        listening = await asyncio.start_server(silent, "127.0.0.1", 0)
        return await send(listening.sockets[0].getsockname()[1])

    assert asyncio.run(run()) == Outcome("no answer in time")


def test_server_that_hangs_after_it_took_the_message_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent again it would arrive twice."""

    class Hangs(Mailbox):
        async def handle_QUIT(self, server: Any, session: Any, envelope: Envelope) -> str:
            await asyncio.Event().wait()
            return ""

    monkeypatch.setattr(smtp_sender, "_WHOLE_SECONDS", 0.5)
    mailbox = Hangs()
    assert outcomes(mailbox, {}) == [Outcome()]
    assert len(mailbox.got) == 1


def test_server_that_is_not_there_is_a_failure() -> None:
    for host in ("localhost", "no-such-host.invalid", "a..b"):
        assert asyncio.run(send(1, host=host)).error.startswith("connection failed: ")
