"""The edge of the command line: what comes in as arguments, and what goes out to a terminal, a pipe or a file."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def arguments() -> list[str]:
    """The process's arguments as UTF-8 text, also where the locale is none that knows it."""
    argv = sys.argv[1:]
    if sys.getfilesystemencoding().lower().replace("-", "") == "utf8":
        return argv
    return [os.fsencode(each).decode("utf-8", "surrogateescape") for each in argv]


def path(text: str) -> Path:
    """A path as it was typed, with ~ as the shell has it, which leaves it alone in --option=~/x.

    Raises:
        OSError: ~ means no folder here.
    """
    # back into the form in which this process names files
    typed_path = Path(os.fsdecode(text.encode("utf-8", "surrogateescape")))
    try:
        return typed_path.expanduser()
    except RuntimeError as error:
        raise OSError(f"{text}: ~ means no folder here: the user has no home") from error


def expanded(text: str) -> str:
    """A name, or the path of a file or folder; of a path with ~ in front what the shell would make of it."""
    return str(path(text)) if text.startswith("~") else text


@contextmanager
def standard_streams() -> Iterator[None]:
    """Standard output and error for the block: what the encoding lacks is written as an escape, not raised.

    Output that nobody reads any more (`| head`) ends the process with 1 and without a word; output that cannot be
    written otherwise (a full disk) with 1 and the reason.
    """
    _open(1)
    _open(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except BrokenPipeError:
        raise SystemExit(1) from None
    finally:
        try:
            sys.stdout.flush()
        except OSError as error:
            # or the interpreter would try again at its end, and print a traceback
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            if not isinstance(error, BrokenPipeError):
                sys.stderr.write(f"error: cannot write to standard output: {error.strerror}\n")
            raise SystemExit(1) from None


def in_utf8() -> bool:
    """Whether standard output takes every character."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _open(descriptor: int) -> None:
    """Where the process was started without this one of the standard streams, write to nowhere."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        stream = open(descriptor, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        if descriptor == 1:
            sys.stdout = stream
        else:
            sys.stderr = stream
