"""`stream-app product`: one product's summary, as the product page gets it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream_app.commands.options import Json, Redis, TopicPrefix, settings_from
from stream_app.commands.terminal import printable
from stream_app.ports import VIEW_WAS_LOST
from stream_app.records import AspectSummary, Comparison, Digest, Highlights, ProductSummary, Trend
from stream_app.settings import Settings

app = typer.Typer()

_REASONS = {
    "too_few": "fewer than five reviews",
    "unsupported_language": "no model reads the language of most reviews",
    "evidence_withdrawn": "the reviews that said something were edited or deleted",
}


@app.command()
def product(
    product_id: Annotated[str, typer.Argument(metavar="ID")],
    as_json: Json = False,
    redis: Redis = None,
    topic_prefix: TopicPrefix = None,
) -> None:
    """Show what the view in Redis holds of product ID. Exit code 1 when it is unknown."""
    from stream_app import contract

    summary, stale = asyncio.run(_read(settings_from(redis=redis, topic_prefix=topic_prefix), product_id))
    errors = Console(stderr=True)
    if stale:
        errors.print(VIEW_WAS_LOST, markup=False)
    if summary is None:
        errors.print(
            f"No review of {product_id!r} was applied yet. `stream-app tail enriched` shows what was read; "
            "`stream-app status` says whether the roles are at work.",
            markup=False,
        )
        raise typer.Exit(1)
    if as_json:
        print(contract.encode_product_summary(summary, stale=stale).decode())
    else:
        _show(summary, Console())


async def _read(settings: Settings, product_id: str) -> tuple[ProductSummary | None, bool]:
    from stream_app.store.current import CurrentView

    store = CurrentView.from_settings(settings)
    try:
        [summary] = await store.read([product_id], int(time.time() * 1000))
    finally:
        await store.close()
    return summary, store.is_lost


def _show(summary: ProductSummary, console: Console) -> None:
    if summary.text and summary.text.headline:
        # as text, not as markup: people write [/b], and sequences that a terminal would obey
        # guarantee: headline-is-no-markup
        console.print(Text(printable(summary.text.headline), "bold").append(f"  ({summary.text.method})", "default"))
        console.print(Text(printable(summary.text.text)))
    if summary.digest:
        _show_digest(summary.digest, console)
    table = Table("window", "reviews", "negative", "neutral", "positive", "unknown", "stars", "net")
    table.caption = "stars: their mean; net: (positive - negative) / all with a sentiment"
    for name, counts in summary.windows.items():
        mean, net = counts.mean_rating, counts.net_sentiment
        table.add_row(
            name,
            *(str(n) for n in (counts.reviews, counts.negative, counts.neutral, counts.positive, counts.unknown)),
            "–" if mean is None else f"{mean:.2f}",
            "–" if net is None else f"{net:+.2f}",
        )
    console.print(table)
    if summary.aspects:
        _show_aspects(summary.aspects, summary.trend, console)
    if summary.highlights:
        _show_highlights(summary.highlights, console)
    if summary.trend:
        _show_trend(summary.trend, console)
    if summary.reviews_since_text:
        console.print(f"Reviews since the text was made: {summary.reviews_since_text}.")
    if summary.low_evidence:
        console.print("Fewer than five reviews: read with care.")


def _show_digest(digest: Digest, console: Console) -> None:
    for language, one in (digest.texts or {}).items():
        console.print(Text(f"Digest ({printable(language)}): {printable(one.text)}"))
    if digest.reason:
        console.print(f"No digest: {_REASONS.get(digest.reason, digest.reason)}.")


def _show_highlights(highlights: Highlights, console: Console) -> None:
    for name, found in (("Praised", highlights.praise), ("Complained of", highlights.complaints)):
        for one in found:
            quote, review = printable(one.quote.text), printable(one.quote.review_id)
            aspect = f", {printable(one.aspect)}" if one.aspect else ""
            console.print(Text(f"{name} ({one.reviews} of {highlights.read} read{aspect}): “{quote}” ({review})"))


def _show_aspects(aspects: Mapping[str, AspectSummary], trend: Trend | None, console: Console) -> None:
    table = Table("aspect", "30 days", "- / +", "all time", "- / +", "trend")
    table.caption = "reviews that mention it; of them: criticize / praise it"
    for aspect, one in aspects.items():
        compared = trend.aspects.get(aspect) if trend else None
        table.add_row(
            printable(aspect),
            *(
                cell
                for counts in (one.windows["30d"], one.windows["all"])
                for cell in (str(counts.mentions), f"{counts.negative} / {counts.positive}")
            ),
            _change(compared) if compared else "–",
        )
    console.print(table)
    for aspect, one in aspects.items():
        if one.quote:
            quote, review = printable(one.quote.text), printable(one.quote.review_id)
            console.print(Text(f"{printable(aspect)}: “{quote}” ({review})"))


def _show_trend(trend: Trend, console: Console) -> None:
    for name, one, form in (("Negative", trend.negative, ".0%"), ("Stars", trend.stars, ".2f")):
        recent, before = ("–" if number is None else format(number, form) for number in (one.recent, one.before))
        chance = "" if one.p_value is None else f", p = {one.p_value:.4f}" if one.p_value else ", p < 0.0001"
        console.print(
            f"{name}: {recent} of {one.recent_reviews} in 7 days, {before} of {one.before_reviews} in the 28 before: "
            f"{_change(one)}{chance}",
            highlight=False,
        )


def _change(one: Comparison) -> str:
    return {"none": "no change", "too_few": "too few"}.get(one.change, one.change)
