"""Says what the view of an installation lost, counted twice or made up, from its look-ups and its Redis.

apply-once     each product's counts, in every window and of each aspect, are those of the latest revision of each of
               its reviews; an aspect is quoted from a review that stands, in its words
texts          a product's text cites reviews that stand, and consists of their sentences; so do its highlights, each of
               reviews of one sentiment
alerts         each due alert is shown once
"""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote

from tests.reliability.chaos.checker import Verdict, aspect_of, due_alerts, label_of, revision_of, seconds_of
from tests.reliability.testbed.messages import Sent

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_ASPECTS = ("look", "quality", "value")  # that the view counts, of those that the scripted models know
_WINDOW_HOURS = {"24h": 24, "7d": 168, "30d": 720}
_PRODUCTS_A_CALL = 100
_REVIEWS_OF_A_TEXT = 3
_MOST_EVIDENCE = 20  # ids of reviews that a highlight names


def check_view(sent: Iterable[Sent], api: str) -> Verdict:
    """Apply-once: what the API says of each product against a fold from scratch. Too few are lost, too many double."""
    verdict = Verdict()
    standing = latest_versions(sent)
    products = sorted({product for product, _ in standing})
    shown = look_up(api, products)
    for product in products:
        if product not in shown:
            verdict.lost.append(f"product {product} is unknown")
            continue
        if shown[product].get("stale"):
            verdict.wrong.append(f"product {product} is said to be stale")
        as_of_ms = round(seconds_of(shown[product]["as_of"]) * 1000)
        reviews = reviews_of(product, standing)
        for window in ("all", *_WINDOW_HOURS):
            expected = _counts([one for one in reviews if _within(one, window, as_of_ms)])
            actual = {name: shown[product]["windows"][window][name] for name in expected}
            if actual != expected:
                difference = f"product {product}, window {window}: shows {actual}, should be {expected}"
                (verdict.double if actual["reviews"] > expected["reviews"] else verdict.lost).append(difference)
        verdict.add(_check_aspects(product, shown[product]["aspects"], reviews, as_of_ms))
    return verdict


def _check_aspects(product: str, shown: Mapping[str, Any], reviews: Sequence[Sent], as_of_ms: int) -> Verdict:
    verdict = Verdict()
    month = [one for one in reviews if 0 <= as_of_ms // _DAY_MS - _written_ms(one) // _DAY_MS <= 30]
    expected = {aspect: {"30d": _said(month, aspect), "all": _said(reviews, aspect)} for aspect in _ASPECTS}
    expected = {aspect: windows for aspect, windows in expected.items() if windows["all"]["mentions"]}
    actual = {
        aspect: {name: counts | {"net": None} for name, counts in one["windows"].items()}
        for aspect, one in shown.items()
    }
    if actual != expected:
        mentions = [sum(one["all"]["mentions"] for one in found.values()) for found in (actual, expected)]
        difference = f"product {product}: shows the aspects {actual}, should be {expected}"
        (verdict.double if mentions[0] > mentions[1] else verdict.lost).append(difference)
    texts = {(one.fields or {})["review_id"]: (one.fields or {})["text"] for one in reviews}
    for aspect, one in shown.items():
        quote = one["quote"]
        if quote and (quote["review_id"] not in texts or quote["text"] not in texts[quote["review_id"]]):
            verdict.wrong.append(f"product {product} quotes what no review says of its {aspect}: {quote}")
    return verdict


def _said(reviews: Sequence[Sent], aspect: str) -> dict[str, Any]:
    labels = Counter(label_of(one) for one in reviews if aspect_of(one) == aspect)
    return {"mentions": labels.total(), "negative": labels["negative"], "positive": labels["positive"], "net": None}


def check_texts(sent: Iterable[Sent], api: str) -> Verdict:
    """A product with a few reviews has a text; every text cites reviews that stand, and is made of their words."""
    verdict = Verdict()
    standing = latest_versions(sent)
    products = sorted({product for product, _ in standing})
    shown = look_up(api, products)
    for product in products:
        text = shown.get(product, {}).get("text")
        words = {(one.fields or {})["review_id"]: one.fields["text"] for one in reviews_of(product, standing)}  # type: ignore[index]
        if text is None or text["method"] == "none":
            if len(words) >= _REVIEWS_OF_A_TEXT:
                verdict.lost.append(f"product {product} has {len(words)} reviews and no text")
            continue
        verdict.add(_check_highlights(product, shown[product].get("highlights"), reviews_of(product, standing)))
        if gone := sorted(set(text["evidence"]) - words.keys()):
            verdict.wrong.append(f"the text of product {product} cites reviews that do not stand: {gone}")
        elif strange := _made_up(text["text"], [words[review] for review in text["evidence"]]):
            verdict.wrong.append(f"the text of product {product} says what no review says: {strange!r}")
    return verdict


def _check_highlights(product: str, shown: Mapping[str, Any] | None, reviews: Sequence[Sent]) -> Verdict:
    """Each review that a highlight counts stands and has its sentiment; the quote is where it is said to be."""
    verdict = Verdict()
    if shown is None:
        verdict.lost.append(f"product {product} has a text and no highlights")
        return verdict
    standing = {(one.fields or {})["review_id"]: one for one in reviews}
    for label, found in (("positive", shown["praise"]), ("negative", shown["complaints"])):
        for one in found:
            quote, evidence = one["quote"], one["evidence"]
            wrong = [named for named in evidence if named not in standing or label_of(standing[named]) != label]
            if wrong or len(evidence) != min(one["reviews"], _MOST_EVIDENCE) or len({*evidence}) != len(evidence):
                verdict.wrong.append(
                    f"product {product} counts {wrong or evidence} in {one['reviews']} that are {label}"
                )
            of = standing.get(quote["review_id"])
            is_there = of and (of.fields or {})["text"][quote["start"] : quote["end"]] == quote["text"] != ""
            if not of or not is_there or revision_of(of.fields or {}) != quote["revision"]:
                verdict.wrong.append(f"product {product} quotes in its highlights what no review says there: {quote}")
    return verdict


def check_shown_alerts(sent: Iterable[Sent], client: Any, start: str, kept: int = 500) -> Verdict:
    """Each due alert is kept for the page; where more were raised since than are kept, only the newest.

    ``client``: redis-py's, of the server or the cluster. ``start``: of the installation's keys, see ``start_of_keys``.
    """
    active = int(client.hget(f"{start}:{{generations}}", "active") or 1)
    shown = {alert_id.decode() for alert_id in client.hkeys(f"{start}:g{active}:alerts:{{recent}}")}
    due = {alert_id for alert_id, (least, _) in due_alerts(sent).items() if least >= 0}
    missing = sorted(due - shown) if len(shown) < kept else []
    return Verdict(lost=[f"alert {alert_id} is not shown" for alert_id in missing])


def start_of_keys(topic_prefix: str, app_name: str) -> str:
    """What begins every key of an installation."""
    return f"{quote(topic_prefix, safe='')}:{quote(app_name, safe='')}:v1"


def look_up(api: str, products: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Summaries by product, as a product page gets them. Raises URLError while the API cannot answer."""
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(products), _PRODUCTS_A_CALL):
        query = urllib.parse.urlencode([("id", one) for one in products[start : start + _PRODUCTS_A_CALL]])
        try:
            with urllib.request.urlopen(f"{api}/v1/products?{query}", timeout=10) as answer:
                found |= {one["product_id"]: one for one in json.load(answer)["products"]}
        except (HTTPError, TimeoutError, ConnectionError) as error:
            raise URLError(str(error)) from error
    return found


def latest_versions(sent: Iterable[Sent]) -> dict[tuple[str, str], Sent]:
    """The latest version of each review, in the order (revision, deleted); of equal ones the first."""
    standing: dict[tuple[str, str], Sent] = {}
    accepted = (one for one in sent if one.fields and not one.reason and not one.is_absent)
    for one in sorted(accepted, key=lambda one: one.offset):
        fields = one.fields or {}
        identity = fields["product_id"], fields["review_id"]
        before = standing.get(identity)
        if before is None or _version(fields) > _version(before.fields or {}):
            standing[identity] = one
    return standing


def reviews_of(product: str, standing: Mapping[tuple[str, str], Sent]) -> list[Sent]:
    return [one for (of, _), one in standing.items() if of == product and not (one.fields or {}).get("deleted")]


def _version(fields: dict[str, Any]) -> tuple[int, bool]:
    return revision_of(fields), bool(fields.get("deleted"))


def _within(one: Sent, window: str, as_of_ms: int) -> bool:
    if window == "all":
        return True
    hour = _written_ms(one) // _HOUR_MS
    now_hour = as_of_ms // _HOUR_MS
    return now_hour - _WINDOW_HOURS[window] <= hour <= now_hour


def _written_ms(one: Sent) -> int:
    return round(seconds_of((one.fields or {})["created_at"]) * 1000)


def _counts(reviews: Sequence[Sent]) -> dict[str, Any]:
    labels = Counter(label_of(one) for one in reviews)
    ratings = Counter((one.fields or {}).get("rating") for one in reviews)
    return {
        "reviews": len(reviews),
        "negative": labels["negative"],
        "neutral": 0,
        "positive": labels["positive"],
        "unknown": 0,
        "stars": [ratings[stars] for stars in range(1, 6)],
        "p_negative_sum": sum(one.p_negative for one in reviews),
    }


def _made_up(text: str, reviews: Sequence[str]) -> str:
    """What is left of a text when the sentences of these reviews are taken out; it was put together from them."""
    for review in sorted(reviews, key=len, reverse=True):
        for sentence in (review, *(one.strip() for one in review.replace(". ", ".\n").split("\n"))):
            text = text.replace(sentence, "", 1)
    return text.strip()
