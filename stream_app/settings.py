"""Every setting with its unit and its default, in parts: code asks for the part that it may read.

A process has one frozen Settings, all parts in one, read once from flags, environment and .env.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stream_app.cache import cache_folder
from stream_app.role_table import ROLES

Summaries = Literal["best_effort", "always", "off"]
COMMIT_SECONDS = 3.0
"""How long the last commit may take when partitions are taken away."""
_ORIGIN = r"https?://[a-z0-9.\-\[\]:]+"  # as browsers send it: lower case, no path; nothing that ends a header's part
_HOST_NAME = r"[A-Za-z0-9_.\-]+"


class ProcessSettings(BaseSettings):
    """What every process needs: the names of the installation, its own number, its log and its metrics."""

    model_config = SettingsConfigDict(env_prefix="STREAM_APP_", env_file=".env", frozen=True, extra="ignore")

    app_name: str = Field("stream-app", description="part of every consumer group (<app>.<role>) and Redis key")
    topic_prefix: str = Field("", description="put before every topic, consumer group and Redis key")
    generation: int = Field(0, ge=0, description="which view in Redis is written and read; 0: the one Redis names")
    aspects_file: str = Field(
        "", description="TOML file of a shop's own aspects (docs/models.md), the same for every process; empty: none"
    )
    state_folder: str = Field(
        default_factory=lambda: str(
            Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local" / "state")) / "stream-app"
        ),
        description="folder of each role's last error, of a rebuild's log and of the data of `services`",
    )
    worker_number: int = Field(
        0, ge=0, description="which worker of its role on this machine, from 1: `up` numbers them; 0: not numbered"
    )
    metrics_host: str = Field("127.0.0.1", description="where a worker listens for Prometheus; 0.0.0.0: everywhere")
    metrics_port: int = Field(0, ge=0, le=65_535, description="port of a worker's Prometheus metrics; 0: off")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO", description="the least severe log lines that are written: DEBUG, INFO, WARNING, ERROR or CRITICAL"
    )
    log_json: bool = Field(False, description="log lines as JSON, one object a line, instead of for people")

    def group(self, role: str) -> str:
        """Return the consumer group, and Faust app id, of a role (see role_table).

        Raises ValueError for `summarize` while ``generation`` is 0: ask Redis first (store.generations).
        """
        spec = ROLES.get(role)
        # guarantee: generation-has-a-group
        generation = f".g{self.fixed_generation}" if spec and spec.group_per_generation else ""
        return f"{self.topic_prefix}{self.app_name}.{role}{generation}"

    @property
    def fixed_generation(self) -> int:
        """``generation``, where it is a number of a view. Raises ValueError where it is 0: Redis was not asked yet."""
        if not self.generation:
            raise ValueError("the generation is whichever Redis names: ask it first (store.generations.fixed)")
        return self.generation


class KafkaSettings(ProcessSettings):
    """How Kafka is reached, and what its clients may do."""

    brokers: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, host:port, comma separated")
    kafka_security_protocol: str = Field("PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
    kafka_sasl_mechanism: str | None = Field(None, description="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER")
    kafka_username: str | None = Field(None, description="user of PLAIN and SCRAM")
    kafka_password: SecretStr | None = Field(None, description="password of PLAIN and SCRAM")
    kafka_ca_file: str | None = Field(None, description="certificate authority file (PEM) for SSL and SASL_SSL")
    kafka_certificate_file: str | None = Field(None, description="our certificate (PEM) for mutual TLS")
    kafka_key_file: str | None = Field(None, description="its private key (PEM)")
    kafka_key_password: SecretStr | None = Field(None, description="of the private key, where it is encrypted")
    kafka_oauth_token_url: str | None = Field(
        None, description="OAUTHBEARER: endpoint that gives tokens for client credentials"
    )
    kafka_oauth_client_id: str | None = Field(None, description="OAUTHBEARER: who asks for the token")
    kafka_oauth_client_secret: SecretStr | None = Field(None, description="OAUTHBEARER: its secret")
    kafka_oauth_scope: str | None = Field(None, description="OAUTHBEARER: what the token is for")
    session_timeout_seconds: float = Field(
        10.0, ge=0, description="Kafka gives a worker's partitions to others when nothing was heard of it for this time"
    )
    heartbeat_seconds: float = Field(
        2.0, ge=0, description="how often a worker reports to Kafka; at most a third of session_timeout_seconds"
    )
    rebalance_timeout_seconds: float = Field(
        15.0, ge=0, description="how long the members of a group may take to join when partitions are distributed again"
    )
    commit_interval_seconds: float = Field(0.5, ge=0, description="how often offsets are committed")
    max_poll_records: int = Field(1000, ge=1, description="records of one poll, over all partitions")
    unreleased_bytes: int = Field(
        128 * 2**20,
        gt=0,
        description="bytes of records that are not published yet, or of what they led to, 1 KiB added to each: over it "
        "(128 MiB) fetching pauses. A worker's memory grows by up to twice this and one poll",
    )
    max_poll_interval_seconds: float = Field(
        300.0, ge=0, description="a process that hangs this long loses its partitions"
    )
    publish_patience_seconds: float = Field(
        120.0,
        ge=0,
        description="how long Kafka may be away, or a message unacknowledged while later ones are acknowledged, before "
        "the process ends",
    )
    drain_seconds: float = Field(
        3.0,
        ge=0,
        description="how long started work may take when partitions are taken away; with heartbeat_seconds and 3 s for "
        "the commit it must be less than rebalance_timeout_seconds; a stop may take 12 s more",
    )
    partitions: int = Field(6, ge=1, description="partitions of topics that we create; fixed once made")
    replication: int = Field(1, ge=1, description="copies of topics that we create")

    @model_validator(mode="after")
    def _a_worker_stays_in_its_group(self) -> Self:
        """Kafka takes the partitions of a member that is late: with a heartbeat, or to join again.

        A member learns of a rebalance with its next heartbeat, and joins when it has finished what it started.
        """
        if 3 * self.heartbeat_seconds > self.session_timeout_seconds + 1e-9:
            raise ValueError(
                f"{variable_of('heartbeat_seconds')} ({self.heartbeat_seconds:g}) must be at most a third of "
                f"{variable_of('session_timeout_seconds')} ({self.session_timeout_seconds:g})"
            )
        joins_after = self.heartbeat_seconds + self.drain_seconds + COMMIT_SECONDS
        if joins_after >= self.rebalance_timeout_seconds:
            raise ValueError(
                f"{variable_of('heartbeat_seconds')} ({self.heartbeat_seconds:g}), {variable_of('drain_seconds')} "
                f"({self.drain_seconds:g}) and {COMMIT_SECONDS:g} s for the commit must be less than "
                f"{variable_of('rebalance_timeout_seconds')} ({self.rebalance_timeout_seconds:g}) together"
            )
        return self


class RedisSettings(ProcessSettings):
    """How Redis is reached."""

    redis: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), description="redis:// or rediss:// URL")
    redis_cluster: bool = Field(False, description="the URL names a node of a Redis Cluster")
    redis_sentinels: str = Field(
        "", description="Redis Sentinels, host:port, comma separated: they name the server, the URL the rest"
    )
    redis_sentinel_primary: str = Field("mymaster", description="what the Sentinels call the primary")
    redis_sentinel_password: SecretStr | None = Field(None, description="of the Sentinels, where they ask for one")
    redis_settle_seconds: float = Field(5.0, ge=0, description="an applied event is acknowledged only after this time")
    redis_patience_seconds: float = Field(300.0, ge=0, description="how long Redis may be away before the process ends")
    flag_url: str = Field(
        "",
        pattern=r"^(https://[^\s{}]+\{product_id\}[^\s{}]*)?$",
        description="where readers report a digest, which carries it: an https URL with {product_id}; empty: nowhere",
    )


class ViewSettings(RedisSettings):
    """How often the view is described and published, and how long an old one stays."""

    rebuild_grace_seconds: float = Field(
        10.0, ge=5.0, description="how long a rebuild leaves the old view's keys to readers after it switched"
    )
    text_min_interval_seconds: float = Field(60.0, ge=0, description="a product's text is made at most this often")
    summary_interval_seconds: float = Field(
        50.0,  # guarantee: counts-are-published-within-a-minute
        ge=0.0,
        description="products.summaries gets a product whose counts alone change at most this often",
    )
    text_lease_seconds: float = Field(
        60.0, gt=0, description="a product that a dead `describe` had claimed is claimed again after this time"
    )


class NotifySettings(RedisSettings):
    """Who receives alerts."""

    receivers_file: str = Field(
        "", description="TOML file of the receivers of alerts (docs/alerts.md); empty: alerts are logged and shown only"
    )


class AlertSettings(ProcessSettings):
    """How old what alarms may be, and how readily products alarm."""

    alert_max_age_hours: float = Field(
        48.0, ge=0, description="older reviews raise none: by the newest of their dates and the record's timestamp"
    )
    product_alerts: bool = Field(True, description="alarm when a product turns bad, too, not of single reviews alone")
    spike_false_alarms: float = Field(
        1.0,
        gt=0,
        le=1000,
        description="false alarms of spikes (negative_spike, those of aspects too, rating_drop) per 1,000 products and "
        "month that are accepted; fewer: later alarms",
    )

    @property
    def spike_false_alarms_of_a_rule(self) -> float:
        """Accepted per product and month, of each of the two rules; a tenth is left for the aspects of a product."""
        return 0.45 * self.spike_false_alarms / 1000

    @property
    def alert_max_age_ms(self) -> int:
        return int(self.alert_max_age_hours * 3_600_000)


class SummarizeSettings(RedisSettings, AlertSettings):
    """What `summarize` needs."""


class ModelSettings(ProcessSettings):
    """Which models compute, on what, and how."""

    sentiment_model: str = Field(
        "bundled", description="path, name@revision or name in `models list` of a BERT-family classifier"
    )
    sentiment_models: str = Field(
        "zh=review-sentiment-zh",
        description="further classifiers, each for the reviews in one language: zh=MODEL,ja=MODEL; empty: none",
    )
    summary_model: str = Field("bundled", description="path, name@revision or name in `models list` of a T5")
    models_folder: str = Field(
        default_factory=lambda: str(cache_folder() / "models"), description="folder of what `models fetch` fetched"
    )
    model_languages: str = Field("auto", description="what the classifier reads: auto (its card), any, or en,de,…")
    device: str = Field("auto", description="auto, cpu or cuda")
    backend: Literal["auto", "torch", "ctranslate2"] = Field("auto", description="auto: the fastest, measured once")
    precision: Literal["auto", "fp32", "bf16", "int8"] = Field(
        "auto", description="auto: the fastest that keeps the model's answers, as its card states"
    )
    threads: int = Field(0, ge=0, description="threads of one model worker on a CPU; 0: one, with a worker per core")
    device_workers: int = Field(
        0, ge=0, description="model workers of one process on a CPU; 0: one per core, or its share under up --enrich N"
    )
    device_patience_seconds: float = Field(120.0, ge=0, description="a computation that takes longer ends the process")
    cached_texts: int = Field(
        20_000, ge=0, description="short texts whose results a worker remembers, per model (10 to 40 MB); 0: none"
    )
    summaries: Summaries = Field(
        "best_effort", description="best_effort: T5 never holds a review back; always: wait for T5; off: no T5"
    )
    summary_beams: int = Field(1, ge=1, le=8, description="answers that T5 follows at a time; 1: greedy search")


class EnrichSettings(ModelSettings, AlertSettings):
    """What `enrich` accepts, how long it waits for a summary, and what raises an alert."""

    waiting_tokens: int = Field(
        200_000,
        ge=4,  # T5 has a quarter: with none, nothing would ever be fetched
        description="tokens that may wait for the device before fetching pauses; a GPU's two batches may too",
    )
    max_text_characters: int = Field(
        20_000, ge=0, description="a review with a longer text is rejected (text_too_long)"
    )
    max_future_seconds: int = Field(
        300,
        ge=0,
        description="a review dated further ahead of the worker's clock is rejected; where the record's timestamp is "
        "later than that clock, by at most a day, ahead of the timestamp",
    )
    enrichment_version: int = Field(1, ge=0, le=2**53 - 1, description="raise it when better models replay the log")
    summary_min_words: int = Field(20, ge=0, description="shorter reviews are their own summary")
    summary_wait_ms: int = Field(1000, ge=0, description="best_effort: how long a review waits for T5 after BERT")
    alert_threshold: float = Field(0.8, ge=0, le=1, description="P(negative) from which a review raises an alert")


class ApiSettings(ProcessSettings):
    """Where the API listens, and what its clients may take."""

    api_host: str = Field("127.0.0.1", description="where the API answers look-ups")
    api_port: int = Field(8080, ge=0, le=65_535, description="port of look-ups")
    api_internal_host: str = Field("127.0.0.1", description="where the page, alerts, metrics and docs are: not public")
    api_internal_port: int = Field(
        8081, ge=0, le=65_535, description="port of these; the same as api_port: one port has all"
    )
    api_internal_allowed_hosts: str = Field(
        "",
        pattern=rf"^(\*|({_HOST_NAME}(,\s*{_HOST_NAME})*)?)$",
        description="names, without port, by which the internal port may be asked (Host), beside localhost and IP "
        "addresses: console.shop.example,…; *: any; empty: none where it listens on loopback, else any",
    )
    api_max_header_bytes: int = Field(16 * 1024, ge=1024, description="of a request's line and headers")
    api_idle_seconds: float = Field(
        30.0, gt=0, description="how long a connection may be idle, or a request incomplete"
    )
    api_connections: int = Field(2000, ge=0, description="open connections to the API; 0: no limit")
    api_connections_per_address: int = Field(
        256, ge=0, description="of one address; 0: no limit, as behind a proxy, whose address all clients share"
    )
    api_streams: int = Field(200, ge=1, description="open streams of events, one per page")
    api_streams_per_address: int = Field(20, ge=0, description="of one address; 0: no limit")
    api_explain: bool = Field(
        False,
        description="the internal port answers POST /v1/explain: the API loads torch and the classifiers at its start",
    )
    api_card_origins: str = Field(
        "",
        pattern=rf"^(\*|({_ORIGIN}(,\s*{_ORIGIN})*)?)$",
        description="pages that may show products' cards, framed or by /v1/card.js: https://shop.example,…; *: any; "
        "empty: none",
    )

    api_operations: bool = Field(
        False,
        description="the page shows lag, rate, rejects and models, as `stream-app status` finds them: the API asks "
        "Kafka then, at most every 20 s while a page is open",
    )
    review_url: str = Field(
        "",
        description="where the shop shows a review, as https://shop.example/{product_id}#{review_id}: the page links "
        "what it quotes; empty: no links",
    )

    @property
    def card_origins(self) -> tuple[str, ...]:
        """``api_card_origins``, one by one."""
        return _listed(self.api_card_origins)

    @property
    def internal_allowed_hosts(self) -> tuple[str, ...]:
        """``api_internal_allowed_hosts``, one by one, in lower case."""
        return _listed(self.api_internal_allowed_hosts.lower())

    @property
    def api_has_one_port(self) -> bool:
        """Is everything that the API has served where look-ups are?"""
        return self.api_port == self.api_internal_port != 0


class Settings(ApiSettings, EnrichSettings, SummarizeSettings, NotifySettings, ViewSettings, KafkaSettings):
    """All parts. A setting's variable is its upper-case name after ``STREAM_APP_``, e.g. STREAM_APP_BROKERS."""


def _listed(names: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in names.split(",") if one.strip())


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return f"STREAM_APP_{name.upper()}"


def masked_url(url: str) -> str:
    """A server's URL without user, password and query, to be shown; what is no URL is masked as a whole."""
    scheme, is_url, rest = url.partition("://")
    if not is_url:
        return "********"
    user, at, place = rest.rpartition("@")
    if "?" in user:  # of a password that holds an @ or a ?: nothing is safe to show
        return f"{scheme}://********"
    place, query, _ = place.partition("?")
    return f"{scheme}://{'********@' if at else ''}{place}{'?********' if query else ''}"
