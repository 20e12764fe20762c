"""Notices that the topic of a role was deleted and recreated while it runs: its positions mean nothing there."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from stream_app.kafka.topics_admin import log_identity
from stream_app.ports import ConfigurationError, Unavailable
from stream_app.settings import KafkaSettings
from stream_app.steps.log_identity import LogIdentity
from stream_app.steps.log_mark import was_recreated

LOOK_EVERY_SECONDS = 30.0  # one small request


def watch_log(settings: KafkaSettings, log: LogIdentity, fatal: Callable[[BaseException], object]) -> None:
    """Call ``fatal`` when the topic has another id than ``log``.

    Returns at once: a daemon thread asks, unless the brokers report no ids.
    """
    if log.topic_id:
        threading.Thread(target=_watch, args=(settings, log, fatal), name="watches the log", daemon=True).start()


def _watch(settings: KafkaSettings, log: LogIdentity, fatal: Callable[[BaseException], object]) -> None:
    while True:
        time.sleep(LOOK_EVERY_SECONDS * random.uniform(0.8, 1.2))
        try:
            present = log_identity(settings, log.topic)
        except (Unavailable, ConfigurationError):  # no broker answers, or the topic is not there (yet)
            continue
        if was_recreated(log, present):  # guarantee: recreated-topic-ends-the-role
            fatal(
                ConfigurationError(
                    f"Topic {log.topic} was deleted and recreated while this process read it (its id was "
                    f"{log.topic_id} and is {present.topic_id}). Start it again: it reads the new topic from the "
                    "beginning, or reports what has to be done first."
                )
            )
            return
