"""Progress display of long tasks: a bar on a terminal, plain lines of text elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE_INTERVAL_S = 10.0


class Advance(Protocol):
    """A callback that takes the number of items just finished, and a short note to display."""

    def __call__(self, items: int = 1, *, note: str = "", resumed: bool = False) -> None:
        """Count `items` as done.

        Args:
            items: number of items.
            note: a short note to display.
            resumed: whether the items were finished before this process started, so that they do not count in the rate.
        """


@contextlib.contextmanager
def progress(title: str, total: int, *, unit: str = "photos", done: int = 0) -> Iterator[Advance]:
    """Show the progress of a task on standard error.

    Args:
        title: a few words that describe the task.
        total: number of items.
        unit: name of the items, in the plural.
        done: number of items finished before, for a resumed task; they do not count in the rate.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(console, unit) as bar:
            task = bar.add_task(title, total=total, completed=done, note="")

            def advance(items: int = 1, *, note: str = "", resumed: bool = False) -> None:
                if resumed:  # a reset keeps these items out of the speed, from which the remaining time follows
                    bar.reset(task, completed=round(bar.tasks[task].completed) + items, note=note)
                else:
                    bar.update(task, advance=items, note=note)

            yield advance
    else:
        yield _Lines(title, total, unit, done)


def _bar(console: Console, unit: str) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit + " [dim]{task.fields[note]}"),
        TimeRemainingColumn(),
        console=console,
    )


class _Lines:
    """Writes a line of text every ten seconds, and one at the end."""

    def __init__(self, title: str, total: int, unit: str, done: int) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._done = self._before = done
        self._start = self._last = time.monotonic()

    def __call__(self, items: int = 1, *, note: str = "", resumed: bool = False) -> None:
        self._done += items
        if resumed:
            self._before += items
        now = time.monotonic()
        if now - self._last >= LINE_INTERVAL_S or self._done == self._total:
            self._last = now
            rate = (self._done - self._before) / max(now - self._start, 1e-9)
            speed = f", {rate:.1f}/s, {(self._total - self._done) / rate:.0f} s left" if rate > 0 else ""
            sys.stderr.write(
                f"{self._title}: {self._done}/{self._total} {self._unit}{speed}{', ' + note if note else ''}\n"
            )
