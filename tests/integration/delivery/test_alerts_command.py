"""`stream-app alerts` and what `check` reads, as a person runs them."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from stream_app.records import Handling
from stream_app.settings import Settings
from stream_app.steps.delivery_queue import Addition, ReceiverState
from stream_app.store.deliveries import DeliveryQueues
from stream_app.store.summaries import RedisSummaryStore
from tests.behaviour.test_delivery_queues import waiting
from tests.integration.delivery.local_receiver import LocalReceiver, status

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FILE = """
[receivers.hook]
kind = "webhook"
url = "{url}"
allow_private = true
secrets = [{{env = "HOOK_SECRET"}}]
[[rules]]
receiver = "hook"
"""


@pytest.fixture
def environment(tmp_path: Path, valkey: str, topic_prefix: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "COLUMNS": "200",
        "STREAM_APP_REDIS": valkey,
        "STREAM_APP_TOPIC_PREFIX": topic_prefix,
        "STREAM_APP_RECEIVERS_FILE": str(tmp_path / "receivers.toml"),
        "HOOK_SECRET": SECRET,
    }


def write_file(environment: dict[str, str], url: str) -> None:
    Path(environment["STREAM_APP_RECEIVERS_FILE"]).write_text(FILE.format(url=url))


def settings_of(environment: dict[str, str]) -> Settings:
    prefix = environment["STREAM_APP_TOPIC_PREFIX"]
    return Settings(_env_file=None, redis=SecretStr(environment["STREAM_APP_REDIS"]), topic_prefix=prefix)


async def alerts(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """(exit code, what was printed)."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stream_app", "alerts", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


def test_test_alert_is_sent_at_once_and_marked(environment: dict[str, str]) -> None:
    async def run() -> None:
        async with LocalReceiver([status(204), status(401)]) as receiver:
            write_file(environment, receiver.url)
            code, said = await alerts(environment, "test", "hook")
            assert (code, said.split(" in ")[0]) == (0, "hook: delivered")
            code, said = await alerts(environment, "test", "hook")
            assert (code, said.split(": ")[-1]) == (1, "HTTP 401\n")
            first, second = receiver.posted
            assert orjson.loads(first.body)["test"] is True
            assert first.headers["webhook-id"] != second.headers["webhook-id"]
        code, said = await alerts(environment, "test", "nobody")
        assert (code, said) == (2, "stream-app: There is no receiver 'nobody'. Receivers: hook.\n")

    asyncio.run(run())


def test_receivers_are_listed_with_their_state_and_can_be_enabled(environment: dict[str, str]) -> None:
    write_file(environment, "http://localhost:1/s3cret")

    async def run() -> None:
        code, said = await alerts(environment, "receivers", "--json")
        assert (code, orjson.loads(said)["state"]) == (0, "healthy")
        queues = DeliveryQueues.from_settings(settings_of(environment))
        await queues.add([Addition("hook", waiting()), Addition("removed", waiting())], 0)
        await queues.note("hook", ReceiverState(1, 1_777_629_600_000, 1_777_629_605_000, "HTTP 410", 1_777_629_600_000))
        code, said = await alerts(environment, "receivers", "--json")
        hook, removed = map(orjson.loads, said.splitlines())
        assert code == 1
        assert {name: hook[name] for name in ("state", "since", "waiting", "last_error")} == {
            "state": "disabled",
            "since": "2026-05-01T10:00:00.000Z",
            "waiting": 1,
            "last_error": "HTTP 410",
        }
        assert (removed["name"], removed["state"], removed["waiting"]) == ("removed", "not in the file", 1)
        code, said = await alerts(environment, "receivers")
        assert "stream-app alerts enable hook" in said
        assert "s3cret" not in said
        assert await alerts(environment, "enable", "hook") == (0, "hook: enabled; 1 alerts wait for it\n")
        assert (await queues.status("hook")).state == ReceiverState()
        await queues.close()

    asyncio.run(run())


def test_without_a_file_the_list_says_what_to_do(environment: dict[str, str]) -> None:
    code, said = asyncio.run(alerts({**environment, "STREAM_APP_RECEIVERS_FILE": ""}, "receivers"))

    assert (code, said) == (0, "No receivers: name a file in STREAM_APP_RECEIVERS_FILE; docs/alerts.md has one.\n")


def test_mistake_in_the_file_is_one_message_without_the_secret(environment: dict[str, str]) -> None:
    write_file(environment, "http://localhost:1")
    code, said = asyncio.run(alerts({**environment, "HOOK_SECRET": "hunter2"}, "receivers"))

    assert code == 2
    assert "receivers.hook.secrets.0: the variable HOOK_SECRET holds no whsec_" in said
    assert "hunter2" not in said
    assert "Traceback" not in said


def test_alert_is_acknowledged_and_muted_by_a_command(environment: dict[str, str]) -> None:
    """The view is the one that the API reads."""

    async def run() -> None:
        one = waiting(1).alert
        settings = settings_of(environment).model_copy(update={"generation": 1})
        store = RedisSummaryStore.from_settings(settings)
        try:
            assert (await alerts(environment, "acknowledge", one.alert_id, "--by", "Ana"))[0] == 1
            await store.record_alerts([one])
            assert await alerts(environment, "acknowledge", one.alert_id, "--by", "Ana", "--note", "I call") == (
                0,
                f"{one.alert_id}: acknowledged\n",
            )
            code, said = await alerts(environment, "mute", one.alert_id, "--by", "Bo", "--hours", "2")
            assert (code, said.startswith(f"{one.alert_id}: muted until 2")) == (0, True)
            [handling] = await store.handling([one], time.time_ns() // 1_000_000)
            assert handling.acknowledged is not None
            assert (handling.acknowledged.by, handling.acknowledged.note) == ("Ana", "I call")
            assert handling.muted is not None
            assert handling.muted.until_ms - handling.muted.at_ms == 7_200_000
            for command in ("acknowledge", "mute"):
                assert (await alerts(environment, command, one.alert_id, "--by", "Bo", "--undo"))[0] == 0
            assert await store.handling([one], time.time_ns() // 1_000_000) == [Handling()]
            code, said = await alerts(
                environment, "mute", one.alert_id, "--by", "Bo", "--until", "2001-01-01T00:00:00Z"
            )
            assert (code, "within the next 30 days" in said) == (2, True)
        finally:
            await store.close()

    asyncio.run(run())
