"""Shows on a terminal how far the steps of a long command are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

console = Console(stderr=True)


class Watched:
    """Progress of a role's command on a terminal: a line per step that grows, and messages above them."""

    def __enter__(self) -> Watched:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars: Progress = Progress(*columns, console=console)
        self._tasks: dict[str, TaskID] = {}
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def say(self, what: str) -> None:
        self._bars.console.print(what, highlight=False, markup=False)

    def advanced(self, step: str, done: int, total: int) -> None:
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step, total=total)
        self._bars.update(self._tasks[step], completed=done, total=total)
