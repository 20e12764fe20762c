"""Products and alerts as a shop would have them: turning bad, recovering, too few, other scripts, long ids."""

from __future__ import annotations

import time
from typing import Any

from stream_app.records import (
    Alert,
    AspectCounts,
    AspectSummary,
    Change,
    Comparison,
    Counts,
    Evidence,
    Label,
    Mention,
    ModelName,
    ProductSummary,
    ProductText,
    Quote,
    SummaryMethod,
    Trend,
)
from stream_app.steps.chance import p_value_of_shares
from stream_app.steps.trend import MIN_COMPARED, SIGNIFICANT
from stream_app.testing.reader import CannedSummaryReader
from tests.unit.api.samples import alert

MINUTE_MS = 60_000
DAY_MS = 86_400_000
WINDOWS = ("24h", "7d", "30d", "all")
NONE = Counts()


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def counts(negative: int, neutral: int, positive: int, unknown: int = 0) -> Counts:
    """Reviews by sentiment, with stars that fit them."""
    stars = (negative * 2 // 3, negative - negative * 2 // 3, neutral, positive // 3, positive - positive // 3)
    return Counts(negative + neutral + positive + unknown, negative, neutral, positive, unknown, stars)


def product(
    product_id: str,
    headline: str,
    text: str,
    *windows: Counts,
    minutes: int,
    evidence: int = 6,
    method: SummaryMethod = "abstractive",
    aspects: dict[str, AspectSummary] | None = None,
) -> ProductSummary:
    """A product whose newest review is ``minutes`` old; an empty headline: no text yet."""
    now = wall_clock_ms()
    at = now - minutes * MINUTE_MS
    cited = tuple(f"r{i}" for i in range(evidence))
    return ProductSummary(
        product_id=product_id,
        as_of_ms=now,
        state_version=1,
        windows=dict(zip(WINDOWS, windows, strict=True)),
        last_review_at_ms=at,
        text=ProductText(headline, text, method, cited, ModelName("t5", "1"), at) if headline else None,
        low_evidence=windows[-1].reviews < 5,
        aspects=aspects or {},
        trend=trend_of(windows[1], windows[2]),
    )


def trend_of(week: Counts, month: Counts) -> Trend:
    """As if nothing were older than 30 days."""
    n, m = (one.negative + one.neutral + one.positive for one in (week, month))
    m, before = m - n, month.negative - week.negative
    too_few = Comparison(None, 0, None, 0, None, "too_few")
    if min(n, m) < MIN_COMPARED:
        return Trend(0, 0, too_few, too_few, {})
    recent, earlier, p_value = week.negative / n, before / m, p_value_of_shares(week.negative, n, before, m)
    change: Change = "none" if p_value > SIGNIFICANT else "worse" if recent > earlier else "better"
    return Trend(0, 0, Comparison(recent, n, earlier, m, p_value, change), too_few, {})


def aspect(mentions: int, negative: int, positive: int, words: str) -> AspectSummary:
    """Nothing of it is older than 30 days."""
    counts = AspectCounts(mentions, negative, positive)
    label: Label = "negative" if negative > positive else "positive"
    return AspectSummary({"30d": counts, "all": counts}, Quote("r1", 0, label, words))


def sample_products() -> list[ProductSummary]:
    return [
        product(
            "espresso-machine-02",
            "Excellent coffee until the pump started failing",
            "The first months are praised for crema and temperature. Since early this week several buyers report a "
            "leaking group head and a pump that stops after a few cups; two of them could not reach support.",
            *(counts(9, 1, 2), counts(21, 3, 8), counts(27, 8, 61, 1), counts(34, 15, 142, 1)),
            minutes=0,
            evidence=8,
            aspects={
                "smell_and_taste": aspect(41, 2, 39, "The crema is the best I have had at home."),
                "durability": aspect(23, 20, 2, "The pump stops after a few cups."),
                "service": aspect(4, 4, 0, "Nobody answers the phone."),
            },
        ),
        product(
            "kettle-1l-steel",
            "Quick to boil and easy to clean",
            "Most people like how fast and quiet it is. A few find the lid stiff at first.",
            *(counts(0, 1, 4), counts(1, 2, 14), counts(5, 6, 58), counts(11, 13, 131)),
            minutes=3,
        ),
        product(
            "trail-shoes-w-39",
            "Grippy and light, but sized small",
            "Runners praise the grip on wet rock. Many had to send them back for half a size more.",
            *(counts(1, 1, 1), counts(4, 5, 9), counts(14, 17, 33, 3), counts(40, 41, 96, 3)),
            minutes=14,
            evidence=7,
        ),
        product(
            "usb-c-charger-65w",
            "Charges fast; some units run very hot",
            "Small and quick according to most. Three buyers write that the case became too hot to touch.",
            *(counts(2, 0, 3), counts(6, 2, 18), counts(11, 9, 77), counts(19, 21, 240)),
            minutes=31,
            evidence=9,
        ),
        product("garden-hose-25m", "", "", *[counts(1, 0, 0)], *[counts(1, 0, 1)] * 3, minutes=52),
        product(
            "B00-baby-monitor",
            "Better since the update",
            "After the update in spring the connection holds through the night. Earlier reviews complain of drop-outs.",
            *(NONE, counts(1, 2, 16), counts(19, 8, 30), counts(58, 22, 61)),
            minutes=190,
            evidence=5,
            method="extractive",
        ),
        product(
            "茶壶/青花 0.6L",
            "壶很漂亮,倒水不滴",
            "“壶很漂亮,倒水不滴,就是盖子有点松。”",
            *(NONE, NONE, counts(0, 1, 2, 1), counts(0, 1, 2, 1)),
            minutes=800,
            evidence=1,
            method="own_text",
        ),
        product(
            "notebook-a5-dotted-a-rather-long-product-identifier-without-any-spaces-0000001",
            "Thick paper that takes ink well",
            "Fountain pens do not bleed through. The elastic band loosens after some months.",
            *(NONE, counts(0, 0, 6), counts(2, 3, 31), counts(2, 9, 77)),
            minutes=1500,
        ),
    ]


def sample_alerts() -> list[Alert]:
    now = wall_clock_ms()

    def made(minutes: int, product_id: str, severity: str, sentence: str, **other: object) -> Alert:
        at = now - minutes * MINUTE_MS
        named = {"severity": severity, "sentence": sentence, "created_at_ms": at, "raised_at_ms": at}
        return alert(f"{product_id}-{minutes}", product_id, **named, **other)

    of_product: dict[str, Any] = {"review_id": None, "revision": None, "rating": None, "p_negative": None}
    burning = "It got so hot that the plug started to smoke, and it left a burn on the desk."
    return [
        made(0, "usb-c-charger-65w", "critical", burning, p_negative=0.991, safety_words=("smoke", "burn")),
        made(2, "espresso-machine-02", "warning", "The pump died on day three and nobody at support answers."),
        made(
            *(9, "espresso-machine-02", "warning", "21 of the last 32 reviews are negative; usually 1 in 12."),
            **{"rule": "negative_spike", **of_product},
        ),
        made(33, "trail-shoes-w-39", "info", "Two sizes too small, had to send them back twice.", rating=2),
        made(
            *(190, "B00-baby-monitor", "info", "Reviews are back to normal after 3 days."),
            **{"rule": "recovered", **of_product},
        ),
    ]


def sample_view() -> CannedSummaryReader:
    """All of these, with the days and the sentences of the espresso machine."""
    view, product_id = CannedSummaryReader(*sample_products(), alerts=sample_alerts()), "espresso-machine-02"
    today = wall_clock_ms() // DAY_MS
    good = {today - day: counts(day % 5 == 0, day % 3 == 0, 2 + day * 7 % 4) for day in range(6, 36) if day % 7}
    bad = {today - day: counts(5 - day % 3, day % 2, 2) for day in range(6)}
    view.history[product_id] = good | bad
    view.sentences[product_id] = [
        sentence("r-4711", 5, 1, "negative", "The pump stops after a few cups.", "durability"),
        sentence("r-4702", 190, 2, "negative", "It leaks at the group head since Monday.", "durability", "quality"),
        sentence("r-4688", 1500, 1, "negative", "Nobody answers the phone.", "service"),
        sentence("r-4012", 9000, 5, "positive", "The crema is the best I have had at home.", "smell_and_taste"),
    ]
    return view


def sentence(review_id: str, minutes: int, rating: int, label: Label, words: str, *aspects: str) -> Evidence:
    """A review of one sentence about these aspects."""
    at, mention = wall_clock_ms() - minutes * MINUTE_MS, Mention(0, len(words), label, tuple(sorted(aspects)))
    return Evidence(review_id, 0, at, label, 9000 if label == "negative" else 200, rating, words, "en", (mention,))
