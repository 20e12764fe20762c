"""Where each microsecond of a review goes in `enrich` with models that cost nothing, as py-spy sees it.

The Python threads' processor time is divided by where their samples were taken; librdkafka's threads, which py-spy
doesn't see, are measured by the kernel. So the parts sum up to the processor time of the whole process.

    python -m benchmarks.probes.overhead_profile --reviews 60000
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.harness.own_broker import own_broker
from benchmarks.load.workload import SAMPLE, Workload, workload
from benchmarks.probes.overhead import LIMIT_SECONDS, Bench, backlog, failure, our_worker, running
from stream_app.kafka.offsets import end_offsets

PY_SPY = "py-spy==0.4.3"  # what uv brings where the PATH has none
_SAMPLES_PER_SECOND = 400
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_LIBRDKAFKA = "librdkafka (compress, send, receive)"
_REST = "the rest"
console = Console(stderr=True)

# (part, file, functions): the innermost frame that one of these names decides; no functions: the whole file
_PARTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("decode JSON", "contract/reviews.py", ("decode_review",)),
    ("validate", "contract/reviews.py", ()),
    ("clean", "steps/clean.py", ()),
    ("mask", "steps/privacy.py", ()),
    ("mask", "steps/phone_numbers.py", ()),
    ("language", "steps/language.py", ()),
    ("safety words", "steps/safety.py", ()),
    ("sentences (key sentence, words)", "steps/summary_text.py", ()),
    ("sentences (key sentence, words)", "steps/sentences.py", ()),
    ("assemble", "steps/assemble.py", ()),
    ("prepare", "steps/prepare.py", ()),
    ("alert", "steps/alert_rules.py", ()),
    ("encode JSON", "contract/enriched.py", ()),
    ("encode JSON", "contract/alerts.py", ()),
    ("headers", "contract/messages.py", ()),
    ("publish", "kafka/publisher.py", ()),
    ("order and acknowledge", "kafka/ordered_publisher.py", ()),
    ("order and acknowledge", "steps/sequence.py", ()),
    ("crash notes", "kafka/crash_memory.py", ()),
    ("batch", "models/batcher.py", ()),
    ("batch", "models/bisection.py", ()),
    ("batch", "models/watchdog.py", ()),
    ("batch", "steps/batch_plan.py", ()),
    ("batch", "testing/models.py", ("tokenize", "run", "<listcomp>")),
    ("telemetry", "stream_app/telemetry/", ()),
    ("telemetry", "prometheus_client/", ()),
    ("the role itself", "roles/enrich/", ()),
    ("Kafka to in-flight records (Faust adapter)", "kafka/faust_", ()),
    ("Kafka to in-flight records (Faust adapter)", "kafka/consumer_thread.py", ()),
    ("Kafka to in-flight records (Faust adapter)", "kafka/fetcher.py", ()),
    ("Kafka to in-flight records (Faust)", "faust/", ()),
    ("Kafka to in-flight records (Faust)", "mode/", ()),
    ("aiokafka", "aiokafka/", ()),
    ("event loop and threads", "asyncio/", ()),
    ("event loop and threads", "threading.py", ()),
    ("event loop and threads", "selectors.py", ()),
    ("event loop and threads", "concurrent/", ()),
)
_FRAME = re.compile(r"(?P<function>.*) \((?P<file>.*):\d+\)")


class ProfilerMissing(Exception):
    """py-spy is not here, or may not look at our process; the message says why."""


@dataclass(frozen=True)
class Profile:
    """Processor time of one process. ``parts``: microseconds per review, which sum up to ``total_us``."""

    mix: str
    reviews: int
    total_us: float
    parts: dict[str, float]


def profile(work: Workload, brokers: str, *, summaries: str = "off") -> Profile:
    """One worker on a backlog, from its first output on. Raises ProfilerMissing."""
    py_spy = _py_spy()
    with backlog(work, brokers, f"profile-{os.getpid()}.") as bench, tempfile.TemporaryDirectory() as folder:
        command, environment = our_worker(bench, summaries, folder)
        samples = Path(folder) / "samples"
        with running(command, environment) as (process, log):
            began = _wait_for_outputs(bench, process, log, 1)
            before = _thread_seconds(process.pid)
            with _sampled(py_spy, process.pid, samples):
                ended = _wait_for_outputs(bench, process, log, bench.total)
                after = _thread_seconds(process.pid)
        if not samples.exists():
            raise ProfilerMissing("py-spy wrote no samples: may it look at our processes here (ptrace)?")
        spent = {name: after[name] - before.get(name, 0.0) for name in after}
        return _divided(work.source, ended - began, spent, samples.read_text(errors="replace").splitlines())


def _divided(mix: str, reviews: int, spent: dict[str, float], stacks: Iterable[str]) -> Profile:
    """``spent``: seconds by the name of a thread; ``stacks``: py-spy's raw lines."""
    native = sum(seconds for name, seconds in spent.items() if name.startswith("rdk:"))
    python = sum(spent.values()) - native
    counts: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        counts[part_of(stack.split(";"))] += int(count)
    samples = sum(counts.values())
    if not samples:
        raise ProfilerMissing("py-spy saw nothing: the run was too short")
    parts = {part: 1e6 * python * count / samples / reviews for part, count in counts.most_common()}
    parts[_LIBRDKAFKA] = 1e6 * native / reviews
    return Profile(mix, reviews, sum(parts.values()), parts)


def part_of(frames: list[str]) -> str:
    """The part that a stack (outermost first, ``function (file:line)`` each) belongs to."""
    for frame in reversed(frames):
        found = _FRAME.fullmatch(frame)
        if found is None:
            continue
        function = found["function"].rpartition(".")[2]
        for part, file, functions in _PARTS:
            if file in found["file"] and (not functions or function in functions):
                return part
    return _REST


def profile_table(measured: Profile) -> str:
    """A Markdown table, the largest part first."""
    lines = ["| part | µs a review | share |", "|---|---|---|"]
    for part, us in sorted(measured.parts.items(), key=lambda item: -item[1]):
        lines.append(f"| {part} | {us:.1f} | {us / measured.total_us:.0%} |")
    lines.append(f"| **all of the process** | **{measured.total_us:.1f}** | 100% |")
    return "\n".join(lines)


def _py_spy() -> list[str]:
    if found := shutil.which("py-spy"):
        return [found]
    if uv := os.environ.get("UV") or shutil.which("uv"):
        return [uv, "tool", "run", "--quiet", "--from", PY_SPY, "py-spy"]
    raise ProfilerMissing("neither py-spy nor uv, which would bring it, is on the PATH")


@contextmanager
def _sampled(py_spy: list[str], pid: int, samples: Path) -> Iterator[None]:
    options = ["--pid", str(pid), "--rate", str(_SAMPLES_PER_SECOND), "--format", "raw", "--full-filenames"]
    options.append("--gil")  # else threads that wait for their turn are taken for working ones
    # a group of its own: Ctrl-C ends py-spy in order, and uv around it passes no signal on
    spy = subprocess.Popen(
        [*py_spy, "record", *options, "--output", str(samples)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield
    finally:
        if spy.poll() is None:
            os.killpg(spy.pid, signal.SIGINT)
        _, errors = spy.communicate(timeout=60)
    if spy.returncode:
        raise ProfilerMissing(f"py-spy: {errors.decode(errors='replace').strip()[-300:]}")


def _wait_for_outputs(bench: Bench, process: subprocess.Popen[bytes], log: Path, count: int) -> int:
    until = time.monotonic() + LIMIT_SECONDS
    while (there := sum(end_offsets(bench.settings, bench.topics.enriched).values())) < count:
        if process.poll() is not None or time.monotonic() > until:
            raise failure(process, log)
        time.sleep(0.02)  # between two looks: the profile begins with the first output
    return there


def _thread_seconds(pid: int) -> dict[str, float]:
    """Processor time by the name that the kernel knows each thread by."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for task in Path(f"/proc/{pid}/task").iterdir():
        text = (task / "stat").read_text()
        fields = text[text.rindex(")") + 2 :].split()  # from the third on; user and system time are 14th and 15th
        name = text[text.index("(") + 1 : text.rindex(")")]
        seconds[name] += (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
    return dict(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews to repeat; default: the sample stream")
    parser.add_argument("--reviews", type=int, default=60_000)
    parser.add_argument("--summaries", choices=("off", "always"), default="off", help="always: a free summarizer, too")
    options = parser.parse_args()
    work = workload(options.input, options.reviews)
    with own_broker(console.print) as address:
        try:
            measured = profile(work, address, summaries=options.summaries)
        except ProfilerMissing as reason:
            sys.exit(str(reason))
    print(profile_table(measured))


if __name__ == "__main__":
    main()
