"""`stream-app check`: whether every server can be reached and the models load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from stream_app.commands.options import Brokers, Redis, TopicPrefix, settings_from
from stream_app.ports import ConfigurationError, Unavailable
from stream_app.records import Scores
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.models.tuned import TunedModel

app = typer.Typer()
console = Console()

_COMPLAINT = "It broke after two days and support never answered."


@app.command()
def check(brokers: Brokers = None, redis: Redis = None, topic_prefix: TopicPrefix = None) -> None:
    """Reach Kafka and Redis, look for the topics, read the file of receivers, load both models and report on which
    device and why.

    Exit code 1 when something is wrong; each line then states what to do.
    """
    settings = settings_from(brokers=brokers, redis=redis, topic_prefix=topic_prefix)
    checks: dict[str, Callable[[Settings], str]] = {
        "Kafka": _kafka,
        "topics": _topics,
        "consumer groups": _groups,
        "Redis": _redis,
        "view": _view,
        "receivers": _receivers,
        "aspects": _aspects,
        "device": _device,
        "sentiment model": _sentiment_model,
        "summary model": _summary_model,
        "sentence encoders": _sentence_encoders,
    }
    failed = False
    for name, look in checks.items():
        try:
            with console.status(f"{name} …"):
                answer = look(settings)
            console.print(f"[green]ok   [/green] {name}: {escape(answer)}", highlight=False)
        except (ConfigurationError, Unavailable) as error:
            failed = True
            console.print(f"[red]wrong[/red] {name}: {escape(str(error))}", highlight=False)
    if failed:
        raise typer.Exit(1)


def _kafka(settings: Settings) -> str:
    from stream_app.kafka.admin import check_brokers

    return check_brokers(settings)


def _topics(settings: Settings) -> str:
    from stream_app.kafka.topic_check import look_at_topics
    from stream_app.kafka.topics import Topics

    findings = look_at_topics(settings, Topics(settings.topic_prefix).all())
    found = [finding.message(settings.brokers) for finding in findings]
    if any(finding.fatal for finding in findings):
        raise ConfigurationError("\n".join(found))
    return "\n".join(["all there", *found])


def _groups(settings: Settings) -> str:
    from stream_app.kafka.group_check import lost_positions
    from stream_app.kafka.offsets import held_back
    from stream_app.kafka.topics import Topics
    from stream_app.role_table import CONSUMING_ROLES
    from stream_app.store.generations import fixed

    view = asyncio.run(fixed(settings))
    lost = [one for role in CONSUMING_ROLES for one in lost_positions(view, role)]
    if lost:  # guarantee: check-says-what-retention-removed
        raise ConfigurationError("\n".join(lost))
    waiting = held_back(settings, Topics(settings.topic_prefix).reviews)
    if waiting <= 0:  # guarantee: check-names-open-transactions
        return "each goes on where it committed"
    return (
        f"each goes on where it committed; {waiting} records of reviews wait for an open transaction of their producer "
        "to end (lag counts none of them): where that lasts, `kafka-transactions.sh find-hanging` names it"
    )


def _redis(settings: Settings) -> str:
    from stream_app.store.current import CurrentView

    async def look() -> str:
        store = CurrentView.from_settings(settings)
        try:
            await store.check()
            began = time.perf_counter()
            await store.product_ids(limit=1)
            return f"answers in {(time.perf_counter() - began) * 1000:.1f} ms, generation {store.generation}"
        finally:
            await store.close()

    return asyncio.run(look())


def _view(settings: Settings) -> str:
    from stream_app.roles.admission import origin_of
    from stream_app.store.generations import known

    generations = asyncio.run(known(settings))
    number = settings.generation or generations.active
    origin = origin_of(settings.model_copy(update={"generation": number}), generations)
    return "none yet: `summarize` begins it" if origin is None else f"generation {number}, made from {origin}"


def _receivers(settings: Settings) -> str:
    from stream_app.delivery.receivers_file import read_receivers, variables

    receivers = read_receivers(settings.receivers_file, variables())
    if not receivers.by_name:
        return "none: alerts are logged and shown on the page"
    unused = set(receivers.by_name) - {rule.receiver for rule in receivers.rules}
    without = f"; no rule names {', '.join(sorted(unused))}" if unused else ""
    return f"{', '.join(receivers.by_name)}, {len(receivers.rules)} rules{without}"


def _aspects(settings: Settings) -> str:
    from stream_app.steps.aspects import aspects_in_use, own_aspects_in_use

    own = own_aspects_in_use()
    if not own:
        return f"the {len(aspects_in_use())} default ones"
    return f"{len(aspects_in_use())}, of {settings.aspects_file} {', '.join(one.id for one in own)}"


def _device(settings: Settings) -> str:
    from stream_app.models.device import find_device
    from stream_app.models.selection import THREADS_OF_A_WORKER

    return find_device(settings.device, settings.threads or THREADS_OF_A_WORKER)[2]


def _sentiment_model(settings: Settings) -> str:
    from stream_app.models.loading import load_sentiment_model, load_sentiment_models_of_languages

    tuned = load_sentiment_model(settings)
    [scores] = tuned.model.run(tuned.model.tokenize([_COMPLAINT]))
    tried = f"tried on “{_COMPLAINT}”: negative with probability {scores.negative:.2f}"
    further = load_sentiment_models_of_languages(settings).values()
    return "; and ".join([f"{_described(tuned)}; {tried}", *map(_described, further)])


def _described(tuned: TunedModel[Scores]) -> str:
    model = tuned.model
    languages = "any language" if model.languages is None else ", ".join(sorted(model.languages))
    return (
        f"{model.name.name} {model.name.revision}, reads {languages}, {tuned.micro_batch_tokens} tokens a micro-batch; "
        f"{tuned.how}"
    )


def _summary_model(settings: Settings) -> str:
    from stream_app.models.loading import load_summary_model

    if settings.summaries == "off":
        return "off, as set"
    tuned = load_summary_model(settings)
    name = tuned.model.name
    return f"{name.name} {name.revision}, {tuned.micro_batch_tokens} tokens a micro-batch; {tuned.how}"


def _sentence_encoders(settings: Settings) -> str:
    from stream_app.models.embedder import ENCODERS, look_for_encoders

    folders, missing = look_for_encoders(settings)
    found = [f"{ENCODERS[language]} for texts of products in {language}" for language in folders]
    return "\n".join(
        [", ".join(found) or "none", *(f"{what} Until then shared words are used." for what in missing.values())]
    )
