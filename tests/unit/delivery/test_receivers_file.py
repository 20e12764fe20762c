"""The file of receivers: what it says becomes values; a mistake is named by its place, and no secret is shown."""

from __future__ import annotations

import base64
from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from stream_app.delivery.receivers import HttpReceiver, MailReceiver, Receivers
from stream_app.delivery.receivers_file import read_receivers
from stream_app.ports import ConfigurationError
from stream_app.steps.deliveries import DeliveryRule
from stream_app.steps.quiet_hours import QuietHours

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
ENVIRONMENT = {"SECRET": SECRET, "URL": "https://hooks.example.com/T/B/xyz", "KEY": "pd-key", "PASSWORD": "s3cret"}
RULE = '[[rules]]\nreceiver = "a"\n'


def read(tmp_path: Path, text: str, environment: dict[str, str] = ENVIRONMENT) -> Receivers:
    file = tmp_path / "receivers.toml"
    file.write_text(text, encoding="utf-8")
    return read_receivers(str(file), environment)


def test_no_file_means_no_receivers() -> None:
    assert read_receivers("", {}) == Receivers()


def test_example_of_the_document_is_read(tmp_path: Path) -> None:
    """The first block of TOML in docs/alerts.md is complete."""
    document = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")
    example = document.split("```toml\n")[1].split("```")[0]
    names = {"ALERTS_SECRET": SECRET, "SLACK_URL": ENVIRONMENT["URL"], "PAGERDUTY_KEY": "k", "SMTP_PASSWORD": "p"}

    receivers = read(tmp_path, example, names)

    assert {one.kind for one in receivers.by_name.values()} >= {"webhook", "slack", "pagerduty", "email"}


def test_every_part_of_the_file_becomes_a_value(tmp_path: Path) -> None:
    receivers = read(
        tmp_path,
        """
        product_url = "https://shop.example/{product_id}"
        [receivers.hook]
        kind = "webhook"
        url = "http://10.0.0.1/alerts"
        secrets = [{env = "SECRET"}, {env = "SECRET"}]
        allow_private = true
        [receivers.chat]
        kind = "slack"
        url = {env = "URL"}
        [receivers.pager]
        kind = "pagerduty"
        routing_key = {env = "KEY"}
        [receivers.mail]
        kind = "email"
        host = "smtp.example.com"
        port = 465
        encryption = "tls"
        username = "alerts"
        password = {env = "PASSWORD"}
        from = "alerts@example.com"
        to = ["a@example.com"]
        [[rules]]
        receiver = "hook"
        severity = "warning"
        rules = ["safety"]
        products = ["shoes-*"]
        cool_down_minutes = 30
        digest_minutes = 60
        quiet_hours = {from = "22:00", to = "07:30", time_zone = "Europe/Berlin"}
        [[rules]]
        receiver = "mail"
        """,
    )
    assert receivers == Receivers(
        {
            "hook": HttpReceiver("hook", "webhook", "http://10.0.0.1/alerts", (SECRET, SECRET), allow_private=True),
            "chat": HttpReceiver("chat", "slack", ENVIRONMENT["URL"]),
            "pager": HttpReceiver(
                "pager", "pagerduty", "https://events.pagerduty.com/v2/enqueue", routing_key="pd-key"
            ),
            "mail": MailReceiver(
                "mail", "smtp.example.com", "alerts@example.com", ("a@example.com",), 465, "tls", "alerts", "s3cret"
            ),
        },
        (
            DeliveryRule(
                "hook",
                "warning",
                ("safety",),
                ("shoes-*",),
                1_800_000,
                3_600_000,
                QuietHours(time(22), time(7, 30), ZoneInfo("Europe/Berlin")),
            ),
            DeliveryRule("mail"),
        ),
        "https://shop.example/{product_id}",
    )


def of(fields: str, rule: str = RULE) -> str:
    return f"[receivers.a]\n{fields}\n{rule}"


HOOK = 'kind = "webhook"\nurl = "https://example.com"'
MAIL = 'kind = "email"\nhost = "h"\nfrom = "a@b"\nto = ["c@d"]'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "required property"),
        ("[receivers.a", "is no TOML (at end of document)"),
        ('secret = "literal" "', "is no TOML (at line 1, column 20)"),
        (of('kind = "fax"'), "receivers.a.kind"),
        (of('kind = "webhook"'), "receivers.a: "),
        (of(HOOK + '\nurls = "x"'), "urls"),
        (of(HOOK + '\nto = ["a@b"]'), "receivers.a.to: does not belong to this kind of receiver"),
        (of(HOOK + '\nsecrets = ["whsec_literal"]'), "receivers.a.secrets.0"),
        (of(HOOK + '\nsecrets = [{env = "ABSENT"}]'), "receivers.a.secrets.0: the variable ABSENT is not set"),
        (of(HOOK + '\nsecrets = [{env = "PASSWORD"}]'), "PASSWORD holds no whsec_"),
        (of('kind = "webhook"\nurl = "ftp://example.com"'), "receivers.a.url: it is no https URL"),
        (of('kind = "webhook"\nurl = "https://example.com:99999"'), "receivers.a.url: it is no https URL"),
        (of('kind = "webhook"\nurl = "https://a..b/"'), "receivers.a.url: it is no https URL"),
        (of('kind = "webhook"\nurl = "https:///"'), "receivers.a.url: it is no https URL"),
        (of('kind = "webhook"\nurl = "http://example.com"'), "https is needed, or allow_private"),
        (of('kind = "webhook"\nurl = "https://u:hidden@example.com"'), "user and password"),
        (of(HOOK + '\nca_file = "/nowhere"'), "receivers.a.ca_file"),
        (of(MAIL + '\nencryption = "none"'), "receivers.a.encryption"),
        (of(MAIL + '\nusername = "u"'), "receivers.a"),
        (of('kind = "pagerduty"\nrouting_key = "literal-key"'), "receivers.a.routing_key"),
        (of(HOOK, '[[rules]]\nreceiver = "b"\n'), "rules.0.receiver: no receiver has this name"),
        (of(HOOK, RULE + 'rules = ["no_such_rule"]\n'), "rules.0.rules: the alert rules are negative_review, safety"),
        (of(HOOK, RULE + "cool_down_minutes = -1\n"), "rules.0.cool_down_minutes"),
        (of(HOOK, RULE + 'quiet_hours = {from = "25:00", to = "07:00", time_zone = "UTC"}\n'), "rules.0.quiet_hours"),
        (of(HOOK, RULE + 'quiet_hours = {from = "07:00", to = "07:00", time_zone = "UTC"}\n'), "are the same"),
        (of(HOOK, RULE + 'quiet_hours = {from = "22:00", to = "07:00", time_zone = "Nowhere"}\n'), "no such zone"),
        (of(HOOK, RULE + 'quiet_hours = {from = "22:00", to = "07:00", time_zone = "../x"}\n'), "no such zone"),
    ],
)
def test_mistake_is_named_by_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, text)

    assert said in str(raised.value)
    for secret in ("literal", "hidden", *ENVIRONMENT.values()):
        assert secret not in str(raised.value)


def test_secrets_are_in_no_representation(tmp_path: Path) -> None:
    receivers = read(
        tmp_path,
        of('kind = "pagerduty"\nurl = {env = "URL"}\nrouting_key = {env = "KEY"}\nsecrets = [{env = "SECRET"}]'),
    )
    mail = read(tmp_path, of(MAIL + '\nusername = "u"\npassword = {env = "PASSWORD"}'))

    for secret in ENVIRONMENT.values():
        assert secret not in repr(receivers) + repr(mail)


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"STREAM_APP_RECEIVERS_FILE: .*nothing.* cannot be read: No such file"
    ):
        read_receivers(str(tmp_path / "nothing"), {})
    (tmp_path / "latin").write_bytes(b"\xe9")
    with pytest.raises(ConfigurationError, match="no UTF-8"):
        read_receivers(str(tmp_path / "latin"), {})
