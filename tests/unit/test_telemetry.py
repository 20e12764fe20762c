"""Log lines say which worker they are of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from stream_app import telemetry


@pytest.mark.parametrize(("worker", "said"), [("enrich-2", "enrich-2"), ("", None)])
def test_log_line_names_its_worker_where_there_are_several(worker: str, said: str | None) -> None:
    """`up` starts many processes that write to one terminal."""
    code = (
        "import sys, logging; from stream_app import telemetry; telemetry.configure('INFO', True, worker=sys.argv[1]);"
        "telemetry.store_policy_was_hidden(); logging.getLogger('aiokafka').warning('of a library')"
    )
    done = subprocess.run([sys.executable, "-c", code, worker], capture_output=True, text=True, check=True)

    ours, of_a_library = done.stderr.splitlines()
    assert orjson.loads(ours).get("worker") == said
    line = orjson.loads(of_a_library)
    assert (line["event"], line["logger"], line.get("worker")) == ("of a library", "aiokafka", said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_log_line_that_cannot_be_written_ends_nothing_and_is_counted() -> None:
    """A full disk under the folder of logs ended every worker of a machine, though Kafka and Redis were elsewhere."""
    code = (
        "import logging; from prometheus_client import REGISTRY; from stream_app import telemetry;"
        "telemetry.configure('INFO', True); telemetry.store_policy_was_hidden();"
        "logging.getLogger('aiokafka').warning('of a library');"
        "print(REGISTRY.get_sample_value('stream_app_log_writes_failed_total', {'error': 'ENOSPC'}))"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=full, text=True, check=False)

    assert float(done.stdout) >= 2


def test_clock_that_disagrees_is_said_with_both_times() -> None:
    code = (
        "from stream_app import telemetry; telemetry.configure('INFO', True);"
        "telemetry.clock_disagrees('enrich', -300.0, 1_790_000_000_000)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    line = orjson.loads(done.stderr)
    assert (line["level"], line["event"], line["ahead_seconds"]) == ("error", "clock_disagrees", -300.0)
    assert line["own_time"] == "2026-09-21T14:13:20+00:00"
    assert line["time_by_records"] == "2026-09-21T14:18:20+00:00"


def test_each_process_exposes_its_own_series() -> None:
    """Neither the API those of workers, nor one role another's; what its role counts is there before it happens."""
    code = (
        "import sys; from prometheus_client import generate_latest; from stream_app import telemetry;"
        "telemetry.look_up_answered('summary', 200, 0.001) if sys.argv[1] == 'api' else telemetry.consumer_lagged("
        "sys.argv[1], 3, 1.5); print(generate_latest(telemetry.registry_of(sys.argv[1])).decode())"
    )
    series = {}
    for role in ("api", "enrich", "summarize"):
        done = subprocess.run([sys.executable, "-c", code, role], capture_output=True, text=True, check=True)
        names = {line.split()[2] for line in done.stdout.splitlines() if line.startswith("# TYPE stream_app")}
        series[role] = {name for name in names if not name.endswith("_created")}

    assert series["api"] == {"stream_app_api_seconds"}
    assert series["summarize"] == {
        "stream_app_consumer_lag_records",
        "stream_app_consumer_lag_seconds",
        "stream_app_products_not_judged_total",
    }
    assert {"stream_app_enrich_seconds", "stream_app_crash_loops_total"} <= series["enrich"]


def test_every_series_without_labels_belongs_to_a_role() -> None:
    """Else each process shows it, with a 0 that means nothing."""
    code = (
        "from prometheus_client import REGISTRY; from stream_app import telemetry;"
        "print(*(f.name for f in REGISTRY.collect() if f.samples and f.name.startswith('stream_app')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == sorted(name for names in telemetry.OF_ROLE.values() for name in names)


def test_outage_is_a_few_lines_of_the_client_with_what_to_do() -> None:
    code = (
        "import logging; from stream_app import telemetry;"
        "from stream_app.kafka.log_rate_limit import limit_client_logs;"
        "telemetry.configure('INFO', True); limit_client_logs(); log = logging.getLogger('aiokafka.conn');"
        "[log.error(words, n) for n in range(200) for words in ('Unable to connect to %s', 'Metadata of %s failed')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    of_the_client, ours = map(orjson.loads, done.stderr.splitlines())
    assert of_the_client["event"] == "Unable to connect to 0"
    assert "stream-app check" in ours["next_step"]
