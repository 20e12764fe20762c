"""One function per thing that happens: its log line and its metric together. Names are in the past tense."""

from __future__ import annotations

import logging
import math
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector

from stream_app.ports import ConfigurationError, Unavailable
from stream_app.quick_histogram import QuickHistogram
from stream_app.records import Alert

_OUTAGE_SAID_EVERY_SECONDS = 30.0
_OVER_AFTER_SECONDS = 3.0  # an answer sooner after a failure may be another server's of the same cluster


@dataclass(slots=True)
class _Outage:
    """Times are of time.monotonic()."""

    unsaid: int
    said_at: float
    failed_at: float


_outages: dict[str, _Outage] = {}  # by dependency

log = structlog.get_logger("stream_app")

_take_error: Callable[[Mapping[str, object]], None] = lambda _: None  # noqa: E731 - replaced, not called by name
_flush_errors: Callable[[], None] = lambda: None  # noqa: E731

_received = Counter("stream_app_records_received_total", "Records taken from Kafka", ["role"])
_rejected = Counter("stream_app_reviews_rejected_total", "Records sent to the dead letter", ["reason"])
_published = Counter("stream_app_messages_published_total", "Messages acknowledged by the broker", ["topic"])
_applied = Counter("stream_app_reviews_applied_total", "Reviews applied to the view", ["outcome"])
_alerts = Counter("stream_app_alerts_raised_total", "Alerts raised", ["rule", "severity"])
_suppressed = Counter(
    "stream_app_alerts_suppressed_total",
    "Alerts that did not fire though their rule holds, by reason",
    ["rule", "reason"],
)
_texts = Counter(
    "stream_app_product_texts_total", "Product texts made, by method; outdated: refused; failed: by a bug", ["method"]
)
_key_mismatch = Counter("stream_app_key_mismatches_total", "Messages whose key is not their product_id")
_late_summaries = Counter("stream_app_summaries_late_total", "Reviews published before T5 answered")
_unavailable = Counter("stream_app_dependency_unavailable_total", "Failed tries to reach a dependency", ["dependency"])
_tokens = Counter("stream_app_model_tokens_total", "Tokens computed, padding included", ["model"])
_padding = Counter(
    "stream_app_model_padding_tokens_total", "Tokens computed, or their worth in attention, that are padding", ["model"]
)
_texts_run = Counter("stream_app_model_texts_total", "Texts that a model answered", ["model"])
_known = Counter("stream_app_model_known_texts_total", "Texts whose result was known from an equal text", ["model"])
_busy = Counter("stream_app_model_busy_seconds_total", "Seconds that a model computed", ["model"])
_lost_to_retention = Counter(
    "stream_app_records_lost_to_retention_total",
    "Offsets that retention removed before they were read (transaction markers count too)",
    ["topic"],
)
_restarted = Counter(
    "stream_app_partitions_begun_anew_total", "Partitions that ended before the committed offset", ["topic"]
)
_clock = Gauge(
    "stream_app_clock_ahead_seconds",
    "This machine's clock minus the timestamps of records just appended (median of the last polls); negative: behind",
    ["role"],
)
_latency = QuickHistogram(
    "stream_app_enrich_seconds",
    "From the record's timestamp to the enriched review's publication",
    bounds=(0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
_look_ups = Histogram(
    "stream_app_api_seconds",
    "From a request to the beginning of its answer",
    ["route", "status"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1),
)
_limited = Counter("stream_app_api_clients_limited_total", "Connections and streams refused or ended", ["limit"])
_assigned = Gauge("stream_app_partitions_assigned", "Partitions that this process reads", ["role"])
_lag_records = Gauge(
    "stream_app_consumer_lag_records",
    "Offsets that can be read and are not done, of this process's partitions",
    ["role"],
)
_lag_seconds = Gauge(
    "stream_app_consumer_lag_seconds", "Age of the oldest record that this process has fetched and not done", ["role"]
)
_drains_cut_short = Counter("stream_app_drains_cut_short_total", "Hand-overs that left started work", ["role"])
_without_t5 = Counter("stream_app_headlines_without_t5_total", "Headlines made without T5 after unfinished claims")
_crash_loops = Counter("stream_app_crash_loops_total", "Partitions taken over after three deaths without progress")
_isolated_deaths = Counter("stream_app_isolated_process_deaths_total", "Deaths of processes that try candidates")
_candidates_passed = Counter("stream_app_candidates_passed_total", "Reviews in flight at a death that were cleared")
_ready = Gauge("stream_app_ready", "1 when the role takes records", ["role"])

OF_ROLE = {
    "enrich": (
        "stream_app_key_mismatches",
        "stream_app_summaries_late",
        "stream_app_enrich_seconds",
        "stream_app_crash_loops",
        "stream_app_isolated_process_deaths",
        "stream_app_candidates_passed",
    ),
    "describe": ("stream_app_headlines_without_t5",),
}
"""Series without labels, which every process would show: those of one role. A test sees that each has one."""


class _OwnSeries(Collector):
    """What was counted in this process, and what its role counts though nothing happened yet."""

    def __init__(self, role: str) -> None:
        self._foreign = {name for other, names in OF_ROLE.items() if other != role for name in names}

    def collect(self) -> Iterator[Metric]:
        return (family for family in REGISTRY.collect() if family.samples and family.name not in self._foreign)


def registry_of(role: str) -> CollectorRegistry:
    """The series of a process that runs ``role`` (enrich, summarize, describe, notify or api), and no other's."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_OwnSeries(role))
    return registry


def tell_errors_to(take: Callable[[Mapping[str, object]], None], flush: Callable[[], None]) -> None:
    """``take`` gets each of our log lines of level error or critical; ``flush`` is called when one ends the process."""
    global _take_error, _flush_errors
    _take_error, _flush_errors = take, flush


def _tell_errors(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if event["level"] in ("error", "critical"):
        _take_error(event)
    return event


def configure(level: str, as_json: bool, worker: str = "") -> None:
    """Log lines to stderr: for people by default, JSON where machines read them; each names the ``worker`` if given."""

    def name_worker(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {**event, "worker": worker} if worker else event

    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        name_worker,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    # the lines of libraries look like ours: where machines read them, each is one object
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common],
        )
    )
    logging.basicConfig(level=level, handlers=[handler])
    structlog.configure(
        processors=[*common, _tell_errors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def records_received(role: str, count: int) -> None:
    _received.labels(role).inc(count)


def review_rejected(reason: str, topic: str, partition: int, offset: int) -> None:
    _rejected.labels(reason).inc()  # guarantee: rejects-are-counted
    log.warning("review_rejected", reason=reason, topic=topic, partition=partition, offset=offset)


def record_failed(role: str, topic: str, partition: int, offset: int, error: BaseException) -> None:
    """An exception that a record triggered: types and places. Its words may hold what a person wrote."""
    log.error(
        "record_failed",
        role=role,
        topic=topic,
        partition=partition,
        offset=offset,
        error=type(error).__name__,
        traceback=_places(error),
        next_step="report this as a bug, with the traceback; the record is in the dead letter as internal_error",
    )


def _places(error: BaseException) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


def product_text_failed(product_id: str, error: BaseException) -> None:
    """An exception that a product's sentences triggered, as ``record_failed`` logs those of records."""
    _texts.labels("failed").inc()
    log.error(
        "product_text_failed",
        product=product_id,
        error=type(error).__name__,
        traceback=_places(error),
        next_step="report this as a bug, with the traceback; the product has no text until its reviews change",
    )


def message_published(topic: str, count: int = 1) -> None:
    _published.labels(topic).inc(count)


def reviews_applied(changed: int, total: int) -> None:
    _applied.labels("changed").inc(changed)
    _applied.labels("duplicate").inc(total - changed)


def store_was_replaced(events: int) -> None:
    log.warning("store_was_replaced", events_applied_again=events, why="the server restarted or another took over")


def view_was_switched(old: int, new: int) -> None:
    log.info("view_was_switched", generation=old, active=new, next_step="none: this process begins anew on it")


def view_was_lost() -> None:
    log.error("view_was_lost", why="the view is empty, the log is not", next_step="run `stream-app rebuild`")


def view_is_awaited() -> None:
    log.warning(
        "view_is_awaited",
        why="Redis holds no view yet",
        next_step="none while `summarize` starts; run `stream-app rebuild` where it says that the view was lost",
    )


def topic_id_is_unknown(identity: str) -> None:
    log.warning(
        "topic_id_is_unknown",
        log=identity,
        why="the brokers do not say it: a topic that is deleted and recreated is not told from the one before",
        next_step="Kafka 2.8 or later, and the right to DESCRIBE the topic",
    )


def store_policy_was_hidden() -> None:
    log.warning("store_policy_was_hidden", next_step="make sure yourself that maxmemory-policy is noeviction")


def store_is_not_durable() -> None:
    log.warning("store_is_not_durable", next_step="set `appendonly yes`, or a crash of the server loses products")


def alert_raised(rule: str, severity: str) -> None:
    _alerts.labels(rule, severity).inc()


def alert_suppressed(rule: str, reason: str) -> None:
    _suppressed.labels(rule, reason).inc()


def topic_was_not_read(topic: str, why: str) -> None:
    log.warning(
        "topic_was_not_read", topic=topic, error=why, next_step="none: it is tried again; alerts may come twice"
    )


def alert_notified(alert: Alert) -> None:
    """The words of a review are personal data: they go to the receivers of alerts, not into the log."""
    log.warning(
        "alert_notified",
        rule=alert.rule,
        severity=alert.severity,
        product_id=alert.product_id,
        review_id=alert.review_id,
        p_negative=alert.p_negative,
        safety_words=",".join(alert.safety_words),
    )


def product_described(product_id: str, method: str) -> None:
    _texts.labels(method).inc()
    log.debug("product_described", product_id=product_id, method=method)


def t5_was_left_out(product_id: str, unfinished: int) -> None:
    _without_t5.inc()
    log.warning(
        "t5_was_left_out",
        product_id=product_id,
        unfinished_claims=unfinished,
        why="the processes that made this product's text ended before they finished it",
        next_step="see why `describe` ended; the product's headline is a sentence of a review meanwhile",
    )


def product_text_was_outdated(product_id: str) -> None:
    _texts.labels("outdated").inc()


def topic_is_misconfigured(topic: str, problem: str) -> None:
    log.warning("topic_is_misconfigured", topic=topic, problem=problem)


def records_lost_to_retention(topic: str, partition: int, position: int, first: int) -> None:
    """The log begins at ``first`` now, and was read up to ``position``."""
    _lost_to_retention.labels(topic).inc(first - position)
    log.error(
        "records_lost_to_retention",
        topic=topic,
        partition=partition,
        lost=first - position,
        committed_offset=position,
        log_start_offset=first,
        next_step="raise the topic's retention or add workers; publish these records again if they are kept elsewhere",
    )


def clock_was_compared(role: str, ahead_seconds: float) -> None:
    _clock.labels(role).set(ahead_seconds)


def clock_disagrees(role: str, ahead_seconds: float, now_ms: int) -> None:
    log.error(
        "clock_disagrees",
        role=role,
        ahead_seconds=round(ahead_seconds, 1),
        own_time=datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="seconds"),
        time_by_records=datetime.fromtimestamp(now_ms / 1000 - ahead_seconds, UTC).isoformat(timespec="seconds"),
        next_step="synchronise this machine's clock (NTP); if it is right, that of the brokers or producers",
    )


def log_no_longer_reaches(topic: str, partition: int, position: int, first: int) -> None:
    """The log ends before ``position``, and is read from ``first`` on."""
    _restarted.labels(topic).inc()
    log.error(
        "log_no_longer_reaches",
        topic=topic,
        partition=partition,
        committed_offset=position,
        restarts_at=first,
        next_step="the topic was made again or lost its end: it is read from its beginning; find out why",
    )


def topic_was_recreated(topic: str, partition: int, committed: int, topic_id: str, present_id: str) -> None:
    """What is committed is an offset of a topic of this name that was deleted since."""
    _restarted.labels(topic).inc()
    log.error(
        "topic_was_recreated",
        topic=topic,
        partition=partition,
        committed_offset=committed,
        committed_topic_id=topic_id,
        topic_id=present_id,
        next_step="the topic is read from its beginning; find out who deleted it",
    )


def key_mismatched() -> None:
    _key_mismatch.inc()


def summaries_were_late(count: int) -> None:
    _late_summaries.inc(count)


def run_computed(model: str, texts: int, tokens: float, padding: float, seconds: float) -> None:
    _texts_run.labels(model).inc(texts)
    _tokens.labels(model).inc(tokens)
    _padding.labels(model).inc(padding)
    _busy.labels(model).inc(seconds)


def results_came_from_cache(model: str, texts: int) -> None:
    _known.labels(model).inc(texts)


def model_was_not_pinned(name: str, revision: str) -> None:
    log.warning(
        "model_was_not_pinned", model=name, hint=f"name it {name}@{revision}: else the next start may load another"
    )


def backend_was_refused(model: str, backend: str, error: str) -> None:
    log.warning(
        "backend_was_refused",
        model=model,
        backend=backend,
        error=error[:500],
        next_step="none: another one is used; report it with the processor's name",
    )


def device_memory_ran_out(model: str, micro_batch_tokens: int) -> None:
    log.warning("device_memory_ran_out", model=model, micro_batch_tokens_from_now_on=micro_batch_tokens)


def review_enriched(seconds: float) -> None:
    _latency.observe(seconds)


def look_up_answered(route: str, status: int, seconds: float) -> None:
    _look_ups.labels(route, str(status)).observe(seconds)


def client_was_limited(limit: str) -> None:
    _limited.labels(limit).inc()


def models_are_loaded(role: str, **models: str) -> None:
    """Before it: half a minute without a line looks like a hang."""
    log.info(
        "models_are_loaded",
        role=role,
        **models,
        next_step="none: it takes half a minute or so, minutes where backends are measured or models downloaded first",
    )


def role_became_ready(role: str, **facts: object) -> None:
    _ready.labels(role).set(1)
    log.info("role_became_ready", role=role, **facts)


def partitions_assigned(role: str, count: int) -> None:
    _assigned.labels(role).set(count)
    log.info("partitions_assigned", role=role, partitions=count)


def consumer_lagged(role: str, records: int, seconds: float) -> None:
    _lag_records.labels(role).set(records)
    _lag_seconds.labels(role).set(seconds)


def drain_was_cut_short(role: str, seconds: float) -> None:
    _drains_cut_short.labels(role).inc()
    log.warning("drain_was_cut_short", role=role, seconds=round(seconds, 2), next_step="none: the rest comes again")


def partition_was_left_open(topic: str, partition: int, offset: int, candidates: int, deaths: int) -> None:
    log.warning(
        "partition_was_left_open",
        topic=topic,
        partition=partition,
        from_offset=offset,
        records=candidates,
        unclean_ends=deaths,
        why="the process that had it died, or was cut off",
        next_step="none: what it may have died of is computed in a process of its own first",
    )


def crash_loop_was_seen(topic: str, partition: int, offset: int, deaths: int) -> None:
    _crash_loops.inc()
    log.critical(
        "crash_loop_was_seen",
        topic=topic,
        partition=partition,
        offset=offset,
        unclean_ends=deaths,
        next_step="see why the processes ended (memory limit?). Candidates are computed one by one now; if that ends "
        f"the process too, look at the records of {topic}[{partition}] from offset {offset} on, and report them",
    )


def isolation_began(candidates: int) -> None:
    log.info("isolation_began", candidates=candidates)


def isolated_process_died(why: str, held: int, left: int) -> None:
    _isolated_deaths.inc()
    next_step = "none: another one starts"
    log.warning("isolated_process_died", why=why, texts=held, candidates_left=left, next_step=next_step)


def isolated_process_failed(why: str) -> None:
    log.error("isolated_process_failed", why=why)


def isolation_was_impossible(why: str) -> None:
    log.error(
        "isolation_was_impossible",
        why=why,
        next_step="give the worker memory for a second copy of the classifier; until then candidates are computed one "
        "by one, and everything else waits for them",
    )


def candidates_passed(count: int) -> None:
    _candidates_passed.inc(count)


def group_was_not_left(seconds: float) -> None:
    log.warning(
        "group_was_not_left",
        error=f"Kafka gave no answer for {seconds:.0f} s",
        next_step="none: others get the partitions after the session timeout",
    )


def dependency_unavailable(dependency: str, error: str, retry_in_seconds: float) -> None:
    """Each failed try is counted; the first of an outage is logged, then one every half a minute."""
    _unavailable.labels(dependency).inc()
    now = time.monotonic()
    outage = _outages.setdefault(dependency, _Outage(0, -math.inf, now))
    outage.failed_at = now
    if now - outage.said_at < _OUTAGE_SAID_EVERY_SECONDS:
        outage.unsaid += 1
        return
    unsaid, outage.unsaid, outage.said_at = outage.unsaid, 0, now
    log.warning(
        "dependency_unavailable",
        dependency=dependency,
        error=error,
        retry_in_seconds=round(retry_in_seconds, 2),
        tries_not_logged=unsaid,
        next_step="start the server or its network again, nothing here: it is tried again; `stream-app check` looks",
    )


def dependency_returned(dependency: str) -> None:
    _outages.pop(dependency, None)
    log.info("dependency_returned", dependency=dependency)


def dependency_answered(dependency: str) -> None:
    """Something that needs it has succeeded, whoever met its outage. Cheap; ends an outage that is over."""
    outage = _outages.get(dependency)
    if outage is not None and time.monotonic() - outage.failed_at >= _OVER_AFTER_SECONDS:
        dependency_returned(dependency)


def process_stops() -> None:
    log.info("process_stops", next_step="none: what is in flight is finished and committed, for a few seconds")


def process_ends(reason: str) -> None:
    """``reason``: see error_in_words. Returns when it is recorded, or after a quarter of a second."""
    log.critical("process_ends", reason=reason, next_step="see the error above; nothing unfinished was committed")
    _flush_errors()


def process_ended(reason: str) -> None:
    """It is recorded only: the command prints it."""
    _take_error({"event": "process_ended", "reason": reason})
    _flush_errors()


def error_in_words(error: BaseException) -> str:
    """What may be shown of an error that ended a process: our own words, or else its type and place. What a bug's
    exception says may hold what a person wrote.
    """
    if isinstance(error, (ConfigurationError, Unavailable, OSError)):
        return str(error)
    places = _places(error)
    ours = [place for place in places if "/stream_app/" in place] or places
    return f"{type(error).__name__}{f' at {ours[-1]}' if ours else ''}"
