"""Session that all commands share: home, settings, and output for a person or a program."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from riyl.app.commands.streams import in_utf8
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings, mistyped

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """Settings and output format of one run of the command line."""

    settings: Settings
    json: bool

    @property
    def home(self) -> Home:
        return Home(self.settings.home)

    @property
    def threads(self) -> int:
        """Number of threads that a command computes with: the setting, else one per core."""
        return self.settings.threads or os.cpu_count() or 1

    @cached_property
    def database(self) -> Database:
        """Database of the home, opened at first use."""
        return Database.of(self.settings)

    def show(self, value: object) -> None:
        """Print a value as JSON if --json is given; else print nothing."""
        if self.json:
            sys.stdout.write(json.dumps(value, ensure_ascii=not in_utf8(), indent=2) + "\n")

    def say(self, text: str) -> None:
        """Print a line for a person; with --json print nothing."""
        if not self.json:
            _console().print(text, markup=False, highlight=False, soft_wrap=True)

    def tell(self, text: str) -> None:
        """Print a line on stderr, where it does not mix with the output."""
        typer.echo(text, err=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, words: bool = False) -> None:
        """Print a table for a person; with --json print nothing.

        The first column is left-aligned; so are the others if `words`, else they are right-aligned.
        """
        if self.json:
            return
        drawn = Table(title=Text(title), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for i, column in enumerate(columns):
            drawn.add_column(column, justify="left" if words or i == 0 else "right", no_wrap=True)
        for row in rows:
            drawn.add_row(*(Text(cell) for cell in row))
        _console().print(drawn, highlight=False)

    @contextmanager
    def progress(self) -> Iterator[Bars]:
        """Show progress bars on stderr while the block runs, if stderr is a terminal."""
        bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        with bars:
            yield Bars(bars)


class Bars:
    """Implementation of `riyl.core.types.Progress` with one bar per step; a total of 0 means unknown."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(step, total=None)
        self._progress.update(self._tasks[step], completed=done, total=total or None)


def session(context: typer.Context) -> Session:
    """Return the Session that the entry point of the command line created."""
    run = context.find_object(Session)
    if run is None:
        raise TypeError("a command ran without the entry point's Session")
    return run


def warn_of_variables() -> None:
    """Warn of environment variables that resemble a setting and are therefore ignored."""
    for name, near in mistyped(os.environ).items():
        log.warning("unknown_setting found=%s meant=%s", name, near)


def counts(values: Mapping[str, int]) -> str:
    """Format counts, such as 'tags 8,849, cf 6,985'."""
    return ", ".join(f"{name} {value:,}" for name, value in values.items())


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 200)
