"""`make chaos`: inject faults under load, and report what was lost, doubled, changed or stuck.

Brokers, Redis or Valkey, and the worker processes are real. Only the models are scripted, so that every answer is
known. Each round publishes 500 messages in 5 seconds, injects a fault meanwhile, heals it, and checks everything that
was published. Exit code 1 if anything was lost, doubled, changed or stuck, or if a fault had no observable effect. In a
pair one fault may hide the other (nothing writes to Redis while Kafka is away). Those are counted as hidden. Each fault
must have had an effect in at least one round of the run.
"""

from __future__ import annotations

import errno
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tests.reliability.chaos.faults import FAULTS, Fault
from tests.reliability.chaos.results import RESULTS, SHOWN_COMPLAINTS, Result, append_to, table_of
from tests.reliability.chaos.rounds import Rounds
from tests.reliability.chaos.testbeds import TESTBEDS
from tests.reliability.testbed.stores import can_mount, with_own_mounts
from tests.reliability.testbed.testbed import Testbed

_STARTS = 3


def schedule(rounds: int, seed: int, chosen: Sequence[Sequence[Fault]]) -> list[list[Fault]]:
    """Return the faults of each round: the chosen ones in turn, or all of them in a shuffled order, then pairs and
    single faults in turn. The faults of a pair are of different parts of one testbed, and not both wait for texts.
    """
    chance = random.Random(seed)
    possible = [fault for fault in FAULTS.values() if not fault.needs_small_disk or can_mount()]
    if chosen:
        if any(fault not in possible for faults in chosen for fault in faults):
            raise typer.BadParameter("this system does not allow mounting a small disk to fill")
        return [list(chosen[i % len(chosen)]) for i in range(rounds)]
    singles = [[fault] for fault in possible]
    chance.shuffle(singles)
    planned = list(singles)
    while len(planned) < rounds:
        planned.append(_pair(chance, possible) if len(planned) % 2 else singles[len(planned) // 2 % len(singles)])
    return planned[:rounds]


def _pair(chance: random.Random, possible: Sequence[Fault]) -> list[Fault]:
    while True:
        first, second = chance.sample(possible, 2)
        both_wait = first.waits_for_texts and second.waits_for_texts
        if (
            first.testbed == second.testbed
            and first.part != second.part
            and not (first.alone or second.alone or both_wait)
        ):
            return [first, second]


def run(
    plan: Sequence[Sequence[Fault]], seed: int, folder: Path, console: Console, *, with_hostile: bool = True
) -> Result:
    """Run the plan, grouped by testbed. Each testbed is started once. If one breaks down, that is a complaint, and the
    others are run.
    """
    result = Result(seed)
    has_taken_effect: dict[str, bool] = {}
    began = time.monotonic()
    by_testbed: dict[str, list[tuple[int, Sequence[Fault]]]] = defaultdict(list)
    for number, faults in enumerate(plan, start=1):
        by_testbed[faults[0].testbed].append((number, faults))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("rounds", total=len(plan))
        for name, numbered in by_testbed.items():
            progress.update(task, description=f"starting {name}")
            rounds_before = result.total.rounds
            try:
                with _started(name, folder) as testbed:
                    _run_on(Rounds(testbed, with_hostile), numbered, result, has_taken_effect, progress, task)
            except Exception as error:  # noqa: BLE001 - such as a server that does not restart; other testbeds follow
                progress.console.print_exception()
                done = result.total.rounds - rounds_before
                result.complaints.insert(
                    0,
                    f"{name} could not go on after {done} of its {len(numbered)} rounds, which were not checked again "
                    f"in the end: {type(error).__name__}: {error}",
                )
    result.complaints += [
        f"{fault} was hidden in each of its rounds" for fault in sorted(has_taken_effect) if not has_taken_effect[fault]
    ]
    result.seconds = time.monotonic() - began
    return result


@contextmanager
def _started(name: str, folder: Path) -> Iterator[Testbed]:
    """Start the testbed. Its ports were free when they were chosen: where one is taken since, choose others."""
    for attempt in range(_STARTS):
        with ExitStack() as stack:
            own = folder / f"{name.replace(' ', '-').replace(',', '')}-{attempt}"
            try:
                testbed = stack.enter_context(TESTBEDS[name](own))
            except OSError as error:
                if error.errno != errno.EADDRINUSE or attempt == _STARTS - 1:
                    raise
                continue
            yield testbed
            return


def _run_on(
    rounds: Rounds,
    numbered: Sequence[tuple[int, Sequence[Fault]]],
    result: Result,
    has_taken_effect: dict[str, bool],
    progress: Progress,
    task: TaskID,
) -> None:
    """Run the rounds of one testbed. ``has_taken_effect``: by fault, whether it had an effect in at least one round."""
    for number, faults in numbered:
        label = " + ".join(fault.name for fault in faults)
        progress.update(task, description=f"round {number}, {label}")
        outcome = rounds.run(number, faults, result.seed * 100_003 + number)
        result.rows[label].add(outcome)
        has_taken_effect |= {
            one: has_taken_effect.get(one, False) or one not in outcome.hidden for one in outcome.faults
        }
        result.complaints += [f"round {number}, {label}: {what}" for what in outcome.complaints]
        if not outcome.passed or not progress.console.is_terminal:
            lines = [f"round {number}, {label}: recovered in {outcome.recovery_seconds:.1f} s"]
            lines += [f"    {what}" for what in outcome.complaints[:3]]
            progress.console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
        progress.advance(task)
    progress.update(task, description="checking all rounds again")
    verdict = rounds.check_everything()
    result.rows["in the end, all rounds"].lost += len(verdict.lost)
    result.rows["in the end, all rounds"].double += len(verdict.double)
    result.complaints += [f"in the end: {what}" for what in verdict.differences]
    rounds.close()


def chosen_faults(names: Sequence[str]) -> list[list[Fault]]:
    """Each name is a fault's, or several joined by +; part of a name is enough where only one has it."""
    return [[_named(one.strip()) for one in name.split("+")] for name in names]


def _named(name: str) -> Fault:
    if name in FAULTS:
        return FAULTS[name]
    found = [fault for full, fault in FAULTS.items() if name.lower() in full.lower()]
    if len(found) != 1:
        raise typer.BadParameter(f"{len(found)} faults are called {name!r}; --list shows all")
    return found[0]


def main(
    rounds: Annotated[int, typer.Option(help="How many; each takes 10 to 30 seconds.")] = 15,
    seed: Annotated[int | None, typer.Option(help="Of everything random; printed. Default: a new one.")] = None,
    fault: Annotated[list[str] | None, typer.Option(help="Only this fault, or pair A+B; may be repeated.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Keep data and logs here instead of a temporary folder.")] = None,
    hostile: Annotated[bool, typer.Option(help="Hostile whole records in the load of every round.")] = True,
    write: Annotated[bool, typer.Option(help="Append the table to benchmarks/chaos.md.")] = True,
    list_faults: Annotated[bool, typer.Option("--list", help="Only name the faults.")] = False,
) -> None:
    """Inject faults under load and check the results."""
    with_own_mounts([sys.executable, "-m", "tests.reliability.chaos", *sys.argv[1:]])
    console = Console(width=None if sys.stdout.isatty() else 160)
    if list_faults:
        for name in FAULTS:
            console.print(name, highlight=False)
        return
    seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    console.print(f"seed {seed}: `make chaos ROUNDS={rounds} SEED={seed}` repeats this run")
    if not can_mount():
        console.print(
            "faults of full disks are left out: this system does not allow mounting a small one", style="yellow"
        )
    plan = schedule(rounds, seed, chosen_faults(fault or []))
    with tempfile.TemporaryDirectory(prefix="stream-app-chaos-", ignore_cleanup_errors=True) as scratch:
        result = run(plan, seed, (folder or Path(scratch)).absolute(), console, with_hostile=hostile)
    console.print(table_of(result))
    for what in result.complaints[:SHOWN_COMPLAINTS]:
        console.print(what, style="red", highlight=False, markup=False, soft_wrap=True)
    if write:
        append_to(RESULTS, result)
    raise typer.Exit(1 if result.complaints else 0)
