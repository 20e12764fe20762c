"""`stream-app erase`: removes the words of deleted reviews from the topics."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from stream_app.commands.options import Brokers, Redis, TopicPrefix, settings_from
from stream_app.commands.review_files import Line, read_lines
from stream_app.commands.watched import Watched
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.erasure import Plan

app = typer.Typer()

_STOPPED = 130  # as shells report SIGINT


@app.command()
def erase(
    file: Annotated[
        Path, typer.Argument(help="The deletions that were published: JSON lines, a JSON array, or CSV; - reads stdin.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be erased, and change nothing.")] = False,
    brokers: Brokers = None,
    redis: Redis = None,
    topic_prefix: TopicPrefix = None,
) -> None:
    """Erase the reviews that FILE deletes from reviews.enriched, reviews.alerts and the dead letter, for good.

    First publish FILE, whose lines are {"product_id": …, "review_id": …, "deleted": true}; wait until it went through;
    then stop `enrich`, `summarize` and `notify`. docs/operations.md#erase-a-review has every step, and what to do about
    `reviews` and `products.summaries`.
    Partitions that hold words of such a review are rewritten in place: what is kept is copied behind the end, compared,
    and all before it deleted. Stopped or killed anywhere, nothing is lost: run it again.
    Exit code 0: erased, or nothing to erase. 1: a server is away, run it again. 2: something must be changed first,
    which the message says.
    """
    settings = asyncio.run(_of_the_view(settings_from(brokers=brokers, redis=redis, topic_prefix=topic_prefix)))
    erased = identities(read_lines(file), str(file))

    from stream_app.erasure import Erasure

    try:
        with Watched() as progress:
            erasure = Erasure(settings, erased, progress)
            plan = erasure.plan()
            if not dry_run:
                erasure.run(plan)
    except KeyboardInterrupt:
        typer.echo("Stopped. Nothing is lost; run `stream-app erase` again to finish.", err=True)
        raise typer.Exit(_STOPPED) from None
    _tell(plan, dry_run=dry_run)


def identities(lines: Sequence[Line], name: str) -> set[tuple[str, str]]:
    """The reviews that the lines delete. Raises ConfigurationError for a line that is no deletion."""
    found: set[tuple[str, str]] = set()
    for line in lines:
        try:
            fields = orjson.loads(line.value)
            product_id, review_id, deleted = fields["product_id"], fields["review_id"], fields.get("deleted")
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            product_id = review_id = deleted = None
        if not isinstance(product_id, str) or not isinstance(review_id, str) or deleted is not True:
            raise ConfigurationError(
                f'{name}, line {line.number}: not {{"product_id": …, "review_id": …, "deleted": true}}. '
                "Nothing was erased."
            )
        found.add((product_id, review_id))
    return found


async def _of_the_view(settings: Settings) -> Settings:
    """With the number of the active generation. Raises ConfigurationError while a rebuild is under way."""
    from stream_app.store.generations import fixed, known

    generations = await known(settings)
    if generations.building is not None:
        raise ConfigurationError(
            f"A rebuild of generation {generations.building} is not finished: run `stream-app rebuild` first."
        )
    return await fixed(settings)


def _tell(plan: Plan, *, dry_run: bool) -> None:
    for topic, touched in plan.rewritten.items():
        partitions = ", ".join(map(str, touched))
        verb = "would be erased" if dry_run else "erased"
        changed = f", {plan.changed(topic)} of them without a quote" if plan.changed(topic) else ""
        print(
            f"{topic}: {plan.dropped(topic)} records {verb}, {plan.kept(topic)} kept{changed}; partitions {partitions}"
        )
    if not plan.rewritten:
        print("Nothing to erase: no topic of ours holds words of these reviews.")
