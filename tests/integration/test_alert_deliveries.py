"""Alerts from their topic to a receiver, by `notify` as it is started in production, over its death."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable

import orjson

from stream_app import contract
from stream_app.commands.processes import Processes
from stream_app.kafka.groups import lag
from stream_app.kafka.reader import read_to_end
from tests.integration.delivery.local_receiver import LocalReceiver, hang, status
from tests.integration.place import Place, alert
from tests.waiting import wait_until_async

FILE = """
[receivers.hook]
kind = "webhook"
url = "{url}"
allow_private = true
[receivers.dead]
kind = "slack"
url = "http://localhost:1/"
allow_private = true
[[rules]]
receiver = "hook"
[[rules]]
receiver = "dead"
"""


def test_alerts_reach_their_receiver_over_a_kill_of_notify(place: Place) -> None:
    """A receiver that hangs and one that is dead hold neither each other nor the commits back."""

    async def run() -> None:
        async with LocalReceiver([hang]) as receiver:
            file = place.folder / "receivers.toml"
            file.write_text(FILE.format(url=receiver.url))
            settings = place.settings.model_copy(update={"receivers_file": str(file)})
            roles = ("summarize", "notify")
            with Processes(settings, say=print, log_folder=place.folder, roles=roles, with_api=False) as processes:

                async def until(condition: Callable[[], bool], what: str) -> None:
                    def looked() -> bool:
                        processes.keep_running()
                        return condition()

                    await wait_until_async(looked, 120, f"{what}; logs in {place.folder}")

                messages = [contract.alert_message(place.topics.alerts, alert(number)) for number in range(3)]
                await asyncio.to_thread(place.publish, messages)
                await until(lambda: len(receiver.posted) == 3, "three messages are on their way")
                await until(lambda: lag(settings, "notify") == 0, "the alerts are committed")
                pid = processes.pids()["notify"]
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                receiver.answers = [status(204)]
                await until(lambda: len(receiver.posted) == 6, "the next process delivers them")
                assert sorted(receiver.ids[:3]) == sorted(receiver.ids[3:])
                listed = await asyncio.to_thread(of_command, place, str(file))
                assert [(one["name"], one["state"], one["waiting"]) for one in listed] == [
                    ("hook", "healthy", 0),
                    ("dead", "retrying", 3),
                ]

    asyncio.run(run())


def test_replayed_dead_letter_reaches_the_receiver_that_lacked_it(place: Place) -> None:
    """As `stream-app dead-letter replay` publishes it."""

    async def run() -> None:
        async with LocalReceiver() as hook, LocalReceiver() as other:
            file = place.folder / "receivers.toml"
            file.write_text(FILE.format(url=hook.url).replace("http://localhost:1/", other.url))
            settings = place.settings.model_copy(update={"receivers_file": str(file)})
            rejected = contract.encode_alert(alert(1))
            headers = ((contract.HEADER_RECEIVER, b"hook"),)
            message = contract.alert_message(place.topics.alerts, alert(1))._replace(headers=headers)
            assert message.value == rejected
            roles = ("summarize", "notify")
            with Processes(settings, say=print, log_folder=place.folder, roles=roles, with_api=False):
                await asyncio.to_thread(place.publish, [message])
                await wait_until_async(lambda: len(hook.posted) == 1, 120, "the receiver gets it")
                await wait_until_async(lambda: lag(settings, "notify") == 0, 60, "it is committed")
                assert other.posted == []
            assert list(read_to_end(settings, place.topics.dead_letter)) == []

    asyncio.run(run())


def of_command(place: Place, file: str) -> list[dict[str, object]]:
    os.environ["STREAM_APP_RECEIVERS_FILE"] = file
    try:
        deadline = time.monotonic() + 60
        while True:
            said = [orjson.loads(line) for line in place.command("alerts", "receivers", "--json").splitlines()]
            if said[0]["waiting"] == 0 or time.monotonic() > deadline:
                return said
    finally:
        del os.environ["STREAM_APP_RECEIVERS_FILE"]
