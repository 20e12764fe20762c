"""Events of topics, partitions, consumer groups and clocks."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client import Counter, Gauge

from stream_app.telemetry.logs import log

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
_crash_loops = Counter("stream_app_crash_loops_total", "Partitions taken over after three deaths without progress")
_ready = Gauge("stream_app_ready", "1 when the role takes records", ["role"])


def topic_id_is_unknown(identity: str) -> None:
    log.warning(
        "topic_id_is_unknown",
        log=identity,
        why="the brokers do not report it: a topic that is deleted and recreated looks like the one before",
        next_step="Kafka 2.8 or later, and the right to DESCRIBE the topic",
    )


def topic_was_not_read(topic: str, why: str) -> None:
    log.warning(
        "topic_was_not_read", topic=topic, error=why, next_step="none: it is tried again; alerts may come twice"
    )


def topic_is_misconfigured(topic: str, problem: str) -> None:
    log.warning("topic_is_misconfigured", topic=topic, problem=problem)


def records_lost_to_retention(topic: str, partition: int, position: int, first: int) -> None:
    """The log begins at ``first`` now, and was read up to ``position``."""
    _lost_to_retention.labels(topic).inc(first - position)  # guarantee: lost-records-are-counted
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


def group_was_not_left(seconds: float) -> None:
    log.warning(
        "group_was_not_left",
        error=f"Kafka gave no answer for {seconds:.0f} s",
        next_step="none: others get the partitions after the session timeout",
    )
