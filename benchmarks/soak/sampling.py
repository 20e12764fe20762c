"""Takes the samples: memory, files and threads of every process, consumer lag, and what Redis holds."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping

import psutil
import redis
from rich.console import Console
from rich.live import Live

from benchmarks.soak.checker import STORE
from benchmarks.soak.feed import State
from benchmarks.soak.samples import MANY_REVIEWS, ProcessSample, Sample, ViewSample
from stream_app.commands.processes import Processes
from stream_app.embedded.services import Services
from stream_app.kafka.groups import lag
from stream_app.settings import Settings
from stream_app.store.keys import Keys, ProductKeys

TOPIC_ROLES = ("enrich", "summarize", "notify")
TICK_SECONDS = 0.5
_LOOK_EVERY = 6  # samples between two looks into Redis and at the lags, which cost more than one at the processes
_LINE_SECONDS = 30.0  # between two progress lines where there is no terminal
console = Console(stderr=True)


def take_samples(
    settings: Settings,
    processes: Processes,
    servers: Mapping[str, psutil.Process],
    state: State,
    samples: list[Sample],
    seconds: float,
    stopped: threading.Event,
    every: float,
) -> None:
    """Add a sample every so often until the time is over or somebody stops it; keeps the processes running."""
    began = time.monotonic()
    next_line = 0.0
    live = Live(console=console, refresh_per_second=2) if console.is_terminal else contextlib.nullcontext()
    with live as shown:
        while (at := time.monotonic() - began) < seconds and not stopped.wait(TICK_SECONDS):
            processes.keep_running()
            if at < len(samples) * every:
                continue
            samples.append(sample_now(settings, processes, servers, at, deep=len(samples) % _LOOK_EVERY == 0))
            line = _progress(samples, state, seconds)
            if isinstance(shown, Live):
                shown.update(line)
            elif at >= next_line:
                console.print(line, soft_wrap=True)
                next_line += _LINE_SECONDS


def sample_now(
    settings: Settings, processes: Processes, servers: Mapping[str, psutil.Process], seconds: float, *, deep: bool
) -> Sample:
    looks = {}
    for name, pid in processes.pids().items():
        with contextlib.suppress(psutil.NoSuchProcess):
            if pid is not None:
                looks[name] = look_at(psutil.Process(pid))
    for name, server in servers.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            looks[name] = look_at(server)
    if not deep:
        return Sample(seconds, looks)
    return Sample(seconds, looks, {role: lag(settings, role) for role in TOPIC_ROLES}, look_at_view(settings))


def look_at(process: psutil.Process) -> ProcessSample:
    """One process as it is now. Raises psutil.NoSuchProcess when it is gone."""
    with process.oneshot():
        memory = process.memory_full_info()
        return ProcessSample(process.pid, memory.rss, memory.uss, process.num_fds(), process.num_threads())


def look_at_view(settings: Settings) -> ViewSample:
    """What Redis holds of the view, counted key by key."""
    keys = Keys.of(settings)
    with redis.Redis.from_url(settings.redis.get_secret_value()) as client:
        products = [keys.product(one.decode()) for one in client.zrange(keys.products, 0, -1)]
        with client.pipeline(transaction=False) as pipeline:
            for product in products:
                pipeline.hlen(product.reviews).hlen(product.sentences)
            counts = pipeline.execute()
        reviews, sentences = counts[::2], counts[1::2]
        memory = client.info("memory")
        return ViewSample(
            bytes=memory["used_memory"]
            - memory["used_memory_startup"]
            - memory["mem_clients_normal"]
            - memory["mem_aof_buffer"]
            - memory.get("used_memory_scripts", 0),
            keys=client.dbsize(),
            products=len(products),
            reviews_few=sum(count for count in reviews if count <= MANY_REVIEWS),
            reviews_many=sum(count for count in reviews if count > MANY_REVIEWS),
            sentences=sum(sentences),
            alerts=client.hlen(keys.alerts),
        )


def view_parts(settings: Settings) -> dict[str, tuple[int, int, int]]:
    """By kind of key: how many keys, their bytes (`MEMORY USAGE`), and how many items are in them."""
    sizes = {"hash": "hlen", "zset": "zcard"}
    parts: dict[str, tuple[int, int, int]] = {}
    with redis.Redis.from_url(settings.redis.get_secret_value()) as client:
        for key in client.scan_iter(Keys.of(settings).all, count=1000):
            of_a_product = key.decode().endswith(ProductKeys._fields)
            part = key.decode().rsplit(":", 1)[-1] if of_a_product else key.decode().split(":")[4]
            kind = client.type(key).decode()
            items = getattr(client, sizes[kind])(key) if kind in sizes else 1
            keys, total, inside = parts.get(part, (0, 0, 0))
            parts[part] = keys + 1, total + client.memory_usage(key, samples=0), inside + items
    return dict(sorted(parts.items(), key=lambda part: -part[1][1]))


def _progress(samples: list[Sample], state: State, seconds: float) -> str:
    now = samples[-1]
    memory = "  ".join(f"{name} {look.rss_bytes / 1e6:.0f}" for name, look in now.processes.items())
    deep = next(sample for sample in reversed(samples) if sample.lag)
    behind = "/".join(str(deep.lag[role]) for role in TOPIC_ROLES)
    held = f"{deep.view.reviews} in Redis" if deep.view else ""
    return (
        f"{now.seconds / 60:5.1f} of {seconds / 60:g} min  published {state.published}  {held}  "
        f"behind {behind}  reads {state.reads}  MB: {memory}"
    )


def server_processes(services: Services) -> dict[str, psutil.Process]:
    valkey = services.valkey.process
    assert valkey is not None  # it was started
    brokers = services.kafka.processes
    return {"kafka": psutil.Process(brokers[0].pid), STORE: psutil.Process(valkey.pid)}
