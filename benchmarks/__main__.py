"""`make bench`: measure this machine and write results.md, results.json and results.png.

One section after another: the classifier, T5, end to end on Kafka and Valkey, overhead compared with other frameworks,
latency under load, look-ups, several processes. Each section's ratios come from one run of it, its repeats taken in
turns. A section is written when it is done, so `--only` measures one again and keeps the others (of the same machine).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.console import Console

from benchmarks.load.workload import SAMPLE, workload
from benchmarks.results_file import this_machine, write
from benchmarks.sections.registry import SECTIONS
from benchmarks.sections.section import Options

RESULTS = Path(__file__).parent / "results"
console = Console(stderr=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews to repeat; default: the sample stream")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=SECTIONS, nargs="+", help="measure these sections again, keep the others")
    parser.add_argument("--no-peers", action="store_true", help="install no other frameworks")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="one small repeat of each: does it run at all?")
    given = parser.parse_args()
    options = Options(
        given.input,
        given.quick,
        1 if given.quick else given.repeats,
        not (given.no_peers or given.quick),
        "cuda" if "gpu" in this_machine() else "cpu",
    )
    given.output.mkdir(parents=True, exist_ok=True)
    for name in given.only or SECTIONS:
        began = time.monotonic()
        console.rule(name)
        measured = SECTIONS[name].measure(options)
        minutes = (time.monotonic() - began) / 60
        write(name, measured, workload(options.input, 1, repeat=False).source, minutes, given.output)
        print(f"{measured.text}\n")


if __name__ == "__main__":
    main()
