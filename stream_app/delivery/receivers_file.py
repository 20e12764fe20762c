"""Reads and checks the file of receivers. Errors name the place, and never a value: it may be a secret."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tomllib
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from jsonschema_rs import Draft202012Validator, ValidationError

from stream_app.contract import schema
from stream_app.delivery.receivers import HttpReceiver, MailReceiver, Receiver, Receivers
from stream_app.ports import ConfigurationError
from stream_app.records import Rule
from stream_app.steps.deliveries import DeliveryRule
from stream_app.steps.quiet_hours import QuietHours

_PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
_SECRET_BYTES = range(24, 65)  # as Standard Webhooks asks


class _Wrong(Exception):
    """What is wrong at which place of the file."""


def variables() -> dict[str, str]:
    """The environment, and where that lacks a name, .env of this folder: as settings are read."""
    return {**{name: one for name, one in dotenv_values(".env").items() if one is not None}, **os.environ}


def read_receivers(path: str, environment: Mapping[str, str]) -> Receivers:
    """What the file says, with the secrets that ``environment`` holds; nothing where ``path`` is empty.

    Raises ConfigurationError naming the place of the first mistake.
    """
    if not path:
        return Receivers()
    try:
        given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        _validate(given)
        return _Reading(given, environment).receivers()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise ConfigurationError(f"STREAM_APP_RECEIVERS_FILE: {path} cannot be read: {reason}.") from None
    except tomllib.TOMLDecodeError as error:
        place = str(error).rpartition("(")[2].rstrip(")")  # without the line, which may hold a secret
        raise ConfigurationError(f"{path} is no TOML ({place}).") from None
    except _Wrong as error:
        raise ConfigurationError(f"{path}: {error}. docs/alerts.md has an example.") from None


def _validate(given: dict[str, Any]) -> None:
    errors = Draft202012Validator(schema("receivers.v1"), mask="a value").iter_errors(given)
    first = next(iter(errors), None)
    if first is not None:
        raise _Wrong(f"{_place(first)}: {_words(first)}")


def _place(error: ValidationError) -> str:
    return ".".join(map(str, error.instance_path)) or "the file"


def _words(error: ValidationError) -> str:
    if error.message.startswith("False schema"):
        return "does not belong to this kind of receiver"
    return error.message


class _Reading:
    """Makes values of a file that fits its schema."""

    def __init__(self, given: dict[str, Any], environment: Mapping[str, str]) -> None:
        self._given = given
        self._environment = environment

    def receivers(self) -> Receivers:
        by_name = {name: self._receiver(name, one) for name, one in self._given["receivers"].items()}
        rules = tuple(self._rule(number, one, by_name) for number, one in enumerate(self._given["rules"]))
        return Receivers(by_name, rules, self._given.get("product_url", ""))

    def _receiver(self, name: str, given: dict[str, Any]) -> Receiver:
        place = f"receivers.{name}"
        common = {"allow_private": given.get("allow_private", False), "ca_file": given.get("ca_file")}
        _check_authority(f"{place}.ca_file", common["ca_file"])
        if given["kind"] == "email":
            encryption = given.get("encryption", "starttls")
            if encryption == "none" and not common["allow_private"]:
                raise _Wrong(f"{place}.encryption: none is for a server with allow_private = true")
            return MailReceiver(
                name=name,
                host=given["host"],
                port=given.get("port", 587),
                encryption=encryption,
                sender=given["from"],
                recipients=tuple(given["to"]),
                username=self._text(f"{place}.username", given.get("username", "")),
                password=self._text(f"{place}.password", given.get("password", "")),
                **common,
            )
        url = self._text(f"{place}.url", given.get("url", _PAGERDUTY))
        _check_url(f"{place}.url", url, private=common["allow_private"])
        return HttpReceiver(
            name=name,
            kind=given["kind"],
            url=url,
            secrets=tuple(
                self._signing_secret(f"{place}.secrets.{number}", one)
                for number, one in enumerate(given.get("secrets", ()))
            ),
            routing_key=self._text(f"{place}.routing_key", given.get("routing_key", "")),
            **common,
        )

    def _text(self, place: str, given: str | dict[str, str]) -> str:
        if isinstance(given, str):
            return given
        found = self._environment.get(given["env"], "").strip()
        if not found:
            raise _Wrong(f"{place}: the variable {given['env']} is not set")
        return found

    def _signing_secret(self, place: str, given: dict[str, str]) -> str:
        secret = self._text(place, given)
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not secret.startswith("whsec_") or len(key) not in _SECRET_BYTES:
            raise _Wrong(f"{place}: the variable {given['env']} holds no whsec_ and 24 to 64 bytes in base64")
        return secret

    def _rule(self, number: int, given: dict[str, Any], by_name: Mapping[str, Receiver]) -> DeliveryRule:
        place = f"rules.{number}"
        if given["receiver"] not in by_name:
            raise _Wrong(f"{place}.receiver: no receiver has this name")
        known: tuple[Rule, ...] = get_args(Rule)
        rules = tuple(one for one in known if one in given.get("rules", ()))
        if len(rules) != len(set(given.get("rules", ()))):
            raise _Wrong(f"{place}.rules: the alert rules are {', '.join(known)}")
        return DeliveryRule(
            receiver=given["receiver"],
            severity=given.get("severity", "info"),
            rules=rules,
            products=tuple(given.get("products", ())),
            cool_down_ms=round(given.get("cool_down_minutes", 0) * 60_000),
            digest_ms=round(given.get("digest_minutes", 0) * 60_000),
            quiet_hours=_quiet_hours(f"{place}.quiet_hours", given["quiet_hours"]) if "quiet_hours" in given else None,
        )


def _quiet_hours(place: str, given: dict[str, str]) -> QuietHours:
    start, end = time.fromisoformat(given["from"]), time.fromisoformat(given["to"])
    if start == end:
        raise _Wrong(f"{place}: from and to are the same")
    try:
        return QuietHours(start, end, ZoneInfo(given["time_zone"]))
    except (KeyError, ValueError, OSError):  # not found, a path, a folder
        raise _Wrong(f"{place}.time_zone: no such zone; Europe/Berlin is one") from None


def _check_authority(place: str, ca_file: str | None) -> None:
    if ca_file is None:
        return
    try:
        ssl.create_default_context(cafile=ca_file)
    except OSError:  # SSLError is one
        raise _Wrong(f"{place}: it cannot be read as certificates in PEM") from None


def _check_url(place: str, url: str, *, private: bool) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and (parts.hostname or "").encode("idna") and parts.port != 0
    except ValueError:  # of the port, or of the name
        usable = False
    if not usable:
        raise _Wrong(f"{place}: it is no https URL")
    if parts.scheme == "http" and not private:
        raise _Wrong(f"{place}: https is needed, or allow_private = true for a server of your own network")
    if parts.username is not None or parts.password is not None:
        raise _Wrong(f"{place}: user and password do not belong into a URL")
