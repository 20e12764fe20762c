"""The body of kind slack: blocks of an incoming webhook, within Slack's limits."""

from __future__ import annotations

from typing import Any

import orjson

from stream_app.delivery.bodies import wording
from stream_app.delivery.receivers import Notification
from stream_app.records import Alert

_MAX_HEADER = 150
_MAX_SECTION = 3000
_MAX_WHAT = 600
_MAX_SENTENCE = 1500
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def slack_body(notification: Notification) -> bytes:
    """At most 2 blocks an alert, of 50; a header of 150 characters, sections of 3,000."""
    heading = wording.heading(notification)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": wording.cut(heading, _MAX_HEADER), "emoji": False}}
    ]
    for alert in notification.alerts:
        blocks.append({"type": "section", "text": _mrkdwn(_section(notification, alert))})
        if known := wording.facts(alert):
            blocks.append({"type": "context", "elements": [_mrkdwn(_escaped(", ".join(known), _MAX_WHAT))]})
    if remarks := wording.remarks(notification):
        blocks.append({"type": "context", "elements": [_mrkdwn(_escaped(" ".join(remarks), _MAX_WHAT))]})
    return orjson.dumps({"text": _escaped(heading, _MAX_WHAT), "blocks": blocks})


def _section(notification: Notification, alert: Alert) -> str:
    what = _escaped(wording.what(alert), _MAX_WHAT)
    link = wording.product_link(notification, alert)
    room = _MAX_SECTION - _MAX_WHAT - _MAX_SENTENCE - len("<|>\n>")
    head = f"<{link}|{what}>" if link and len(link) <= room and not set("<>|") & set(link) else f"*{what}*"
    quote = _escaped(wording.on_one_line(alert.sentence or ""), _MAX_SENTENCE)
    return f"{head}\n>{quote}" if quote else head


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}  # no names or links are made of what people write


def _escaped(text: str, most: int) -> str:
    """At most ``most`` characters after escaping; no entity is cut in two."""
    escaped = [_ENTITIES.get(character, character) for character in text]
    length, kept = 0, 0
    for kept, one in enumerate(escaped):  # noqa: B007 - used below
        if length + len(one) > most - 1:
            break
        length += len(one)
    else:
        return "".join(escaped)
    return "".join(escaped[:kept]).rstrip() + "…"
